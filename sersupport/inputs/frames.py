"""Frames of a frozen speech encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sersupport.core.errors import UserError
from sersupport.core.precision import Precision
from sersupport.inputs.base import Computed, Input, LoadEncoder
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.inputs.waveform import Waveform


class Frames(Input):
    """The mean of an encoder's chosen hidden states, (B, T, D), with the number of frames before the padding.

    In float16: half the disk, and an encoder's frames have far less than 11 significant bits.

    Parameters
    ----------
    encoder : Encoder
        Its layers are those whose mean is taken.
    name : str
        By which ``load_encoder`` finds it again.
    precision : {"float32", "bfloat16"}
        In which the encoder computes; in 32 bits where it does not bear 16.
    """

    kind: ClassVar[str] = "frames"

    def __init__(self, encoder: Encoder, name: str, precision: Precision = "float32") -> None:
        self.encoder, self.name = encoder, name
        borne = precision == "float32" or encoder.bears_16_bits
        self.precision: Precision = precision if borne else "float32"

    def spec(self) -> dict[str, Any]:
        one = self.encoder
        known = {"layers": list(one.layers), "fingerprint": one.fingerprint, "precision": self.precision}
        return {"kind": self.kind, "encoder": self.name, **known}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], load_encoder: LoadEncoder) -> Frames:
        """See :func:`sersupport.inputs.build.build`."""
        found = cls(load_encoder(spec["encoder"], spec["layers"]), spec["encoder"], spec["precision"])
        if found.encoder.fingerprint != spec["fingerprint"]:
            raise UserError(
                f"encoder {spec['encoder']!r}: this system was trained on the frames of another encoder of that name; "
                "give the encoder that it was trained with, or train it again"
            )
        return found

    def describe(self) -> dict[str, Any]:
        """As the base's, without the name: the weights say which encoder it is, wherever it lies."""
        return {key: value for key, value in super().describe().items() if key != "encoder"}

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        (found,) = self.compute_together([self], waves, n_valid)
        return found

    @classmethod
    def compute_together(cls, inputs: Sequence[Frames], waves: np.ndarray, n_valid: np.ndarray) -> list[Computed]:
        """One pass of each encoder, whatever the number of its layers that are asked for."""
        slow, n_slow = Waveform().compute(waves, n_valid)
        found: dict[int, Computed] = {}
        passes = [(one.encoder.fingerprint, one.precision) for one in inputs]
        for own_pass in dict.fromkeys(passes):
            rows = [row for row, one in enumerate(passes) if one == own_pass]
            layers = [inputs[row].encoder.layers for row in rows]
            frames, n_frames = inputs[rows[0]].encoder.encode(slow, n_slow, layers, own_pass[1])
            found |= {row: (own.astype(np.float16), n_frames) for row, own in zip(rows, frames, strict=True)}
        return [found[row] for row in range(len(inputs))]
