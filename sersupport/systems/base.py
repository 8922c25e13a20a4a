"""The contract of a system: a configuration that says what it eats, and a model with a loss and logits.

A new system is one file and one line in :data:`sersupport.systems.registry.MODULES`. It must have ``forward``; all
other methods of :class:`System` have defaults that will do, and only what it overrides is used of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForAudioClassification, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from sersupport.corpora.convention import EMOTIONS

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials


class SystemConfig(PretrainedConfig):
    """What every system's configuration holds; further fields are class attributes with a type and a default.

    Parameters
    ----------
    inputs : dict of str to dict
        By role the specification (:meth:`sersupport.inputs.base.Input.spec`) of each input that ``forward`` takes.
    class_weights : list of float, optional
        Of the cross-entropy loss; training sets them.
    clean_partners : bool
        Whether in training every input comes with that of the row's clean partner, as ``clean_<role>``.
    """

    # outputs besides loss and logits, which the evaluation during training would otherwise gather
    keys_to_ignore_at_inference: ClassVar[list[str]] = []

    inputs: dict | None = None
    class_weights: list | None = None
    clean_partners: bool = False

    def __post_init__(self, **kwargs) -> None:
        self.inputs = dict(self.inputs or {})
        if self.id2label is None:
            self.id2label = dict(enumerate(EMOTIONS))
            self.label2id = {emotion: index for index, emotion in enumerate(EMOTIONS)}
        super().__post_init__(**kwargs)


@dataclass
class SystemOutput(ModelOutput):
    """Loss (with labels) and logits (B, C)."""

    loss: Tensor | None = None
    logits: Tensor | None = None


class System(PreTrainedModel):
    """A system that classifies emotions.

    Subclasses set ``config_class``, build their layers after ``super().__init__(config)``, and end with
    ``self.post_init()``.

    Attributes
    ----------
    branches : tuple of str
        Roles whose embedding an explanation may replace. With branches go :meth:`branch` and :meth:`classify`.
    """

    config_class = SystemConfig
    base_model_prefix = "system"
    branches: tuple[str, ...] = ()
    accepts_loss_kwargs = False  # else the Trainer would hand its own arguments to forward

    def __init__(self, config: SystemConfig) -> None:
        super().__init__(config)
        self.register_buffer("class_weights", torch.tensor(config.class_weights or [1.0] * config.num_labels))

    def _init_weights(self, module: nn.Module) -> None:
        """Keep PyTorch's own initialisation."""

    def forward(self, labels: Tensor | None = None, **inputs: Tensor) -> SystemOutput:
        """Classify a batch.

        Parameters
        ----------
        labels : Tensor of int, shape (B,), optional
        **inputs : Tensor
            ``<role>`` (B, ...), as the input computes it, for each role of the configuration, ``<role>_length`` (B,)
            where it is ragged, and in training ``clean_<role>`` and its length where the configuration asks for them.

        Returns
        -------
        SystemOutput
            Logits (B, C), and the loss where labels are given.
        """
        raise NotImplementedError

    def output(self, logits: Tensor, labels: Tensor | None) -> SystemOutput:
        """Logits (B, C) with, where there are labels (B,), their class-weighted cross-entropy."""
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels, weight=self.class_weights)
        return SystemOutput(loss=loss, logits=logits)

    # training --------------------------------------------------------------------------------------------------------

    def set_statistics(self, train: Materials) -> None:
        """Set what is measured on the training rows, once before training, such as means to subtract."""

    def taken_over(self) -> None:
        """Called once, when the weights of another system were taken over, where training starts from one."""

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]] | None:
        """Groups of parameters for the optimiser, as PyTorch takes them; None: all alike.

        A group that names no ``weight_decay`` gets the budget's, but for biases and normalisations, as usual.
        """
        return None

    def solve(self, train: Materials) -> bool:
        """Fit the training rows in closed form, and say so; False: train by gradient descent."""
        return False

    # explanation -----------------------------------------------------------------------------------------------------

    def prepare(self, role: str, values: Tensor) -> Tensor:
        """Values of a role as the branch's network sees them, such as standardised."""
        return values

    def branch(self, role: str, values: Tensor, length: Tensor | None = None) -> Tensor:
        """Embedding (B, F) of prepared values of one of :attr:`branches`."""
        raise NotImplementedError(f"{type(self).__name__} has no branch {role!r}")

    def embed(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Embeddings (B, F) by branch, from what :meth:`forward` takes."""
        prepared = {role: self.prepare(role, inputs[role]) for role in self.branches}
        return {role: self.branch(role, values, inputs.get(f"{role}_length")) for role, values in prepared.items()}

    def classify(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Logits (B, C) from what :meth:`embed` returns."""
        raise NotImplementedError(f"{type(self).__name__} has no branches")

    def feature_maps(self, role: str, values: Tensor) -> Tensor | None:
        """Activations (B, K, positions) of a branch's last convolution over prepared values (B, L), if it has one."""
        return None


def register(config: type[SystemConfig], model: type[System]) -> None:
    """Let ``AutoConfig`` and ``AutoModelForAudioClassification`` know a system."""
    AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModelForAudioClassification.register(config, model, exist_ok=True)


def balanced_class_weights(labels: np.ndarray, n_classes: int) -> list[float]:
    """Weights n / (C n_c) over the C classes that occur, 1 for a class that does not (CREMA-D has no surprise)."""
    present = np.unique(labels)
    weights = np.ones(n_classes)
    weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights.tolist()
