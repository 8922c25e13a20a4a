"""The contract of an input: what turns waveforms into an array that a system eats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sersupport.core.keys import code_version

if TYPE_CHECKING:
    from sersupport.inputs.encoders.encoder import Encoder

Computed = tuple[np.ndarray, np.ndarray | None]  # values (B, ...) and, where they are ragged in time, lengths (B,)
LoadEncoder = Callable[[str, Sequence[int]], "Encoder"]


class Input(ABC):
    """One input of a system.

    A new input is one class here and one line in :data:`sersupport.inputs.build.KINDS`.
    """

    kind: ClassVar[str]  # names it in specifications and in the cache

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Plain values that :func:`sersupport.inputs.build.build` makes it of again; ``kind`` is among them."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: Mapping[str, Any], load_encoder: LoadEncoder) -> Input:
        """The input of a specification; ``load_encoder`` takes an encoder's name and layers."""

    def describe(self) -> dict[str, Any]:
        """All that its values depend on besides the waveform, for the cache's key."""
        return {**self.spec(), "code": code_version("sound", "inputs")}

    @abstractmethod
    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        """Values of a batch of clips.

        Parameters
        ----------
        waves : np.ndarray of float32, shape (B, N)
            At :data:`sersupport.sound.audio.RATE_HZ`.
        n_valid : np.ndarray of int, shape (B,)
            Samples before the padding.

        Returns
        -------
        values : np.ndarray, shape (B, ...)
        lengths : np.ndarray of int, shape (B,), or None
            How much of the first axis after the batch's is not padding; None where the input is not ragged in time.
        """

    @classmethod
    def compute_together(cls, inputs: Sequence[Input], waves: np.ndarray, n_valid: np.ndarray) -> list[Computed]:
        """What :meth:`compute` gives for each of some inputs of this class; a class may share work among them."""
        return [one.compute(waves, n_valid) for one in inputs]


class Plain(Input):
    """An input that is a dataclass of plain values: its specification holds them by name."""

    def spec(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], load_encoder: LoadEncoder) -> Input:
        return cls(**{name: value for name, value in spec.items() if name != "kind"})


def compute(inputs: Mapping[str, Input], waves: np.ndarray, n_valid: np.ndarray) -> dict[str, Computed]:
    """Values and lengths of every input, by role, those of one class together; see :meth:`Input.compute`."""
    found = {}
    for own in dict.fromkeys(type(one) for one in inputs.values()):
        roles = [role for role, one in inputs.items() if type(one) is own]
        found |= zip(roles, own.compute_together([inputs[role] for role in roles], waves, n_valid), strict=True)
    return found
