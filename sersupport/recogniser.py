"""A trained model with its front end: waveform in, class probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sersupport.backbones import Backbone
from sersupport.dataset import encode
from sersupport.features import FeatureParameters
from sersupport.models.fusion import FusionModel


@dataclass
class Recogniser:
    """Classifies clips from the waveform on.

    Parameters
    ----------
    model : FusionModel
        Trained, in evaluation mode.
    parameters : FeatureParameters
        Of the descriptors that it was trained with.
    backbone : Backbone
        The frozen encoder that it was trained with; not used where the model has its own or no temporal branch.
    """

    model: FusionModel
    parameters: FeatureParameters
    backbone: Backbone

    def inputs(self, waves: np.ndarray, n_valid: np.ndarray) -> dict[str, torch.Tensor]:
        """Model inputs, not standardised, for clips (B, N) at :data:`sersupport.audio.RATE_HZ`."""
        config = self.model.config
        frozen = config.backbone is None
        arrays = encode(
            waves,
            n_valid,
            self.parameters if config.spectral else None,
            self.backbone if config.temporal else None,
            frozen,
        )
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if config.temporal and frozen:
            lengths = tensors.pop("n_frames")
            tensors["frame_mask"] = torch.arange(tensors["frames"].shape[1]) < lengths[:, None]
        return tensors

    @torch.inference_mode()
    def __call__(self, waves: np.ndarray, n_valid: np.ndarray | None = None) -> np.ndarray:
        """Class probabilities (B, 7) of clips (B, N) at :data:`sersupport.audio.RATE_HZ`."""
        waves = np.asarray(waves, dtype=np.float32)
        n_valid = np.full(len(waves), waves.shape[1]) if n_valid is None else np.asarray(n_valid)
        return self.model(**self.inputs(waves, n_valid)).logits.softmax(dim=-1).numpy()

    def for_length(self, n_valid: int) -> Callable[[np.ndarray], np.ndarray]:
        """The classifier of clips (B, N) that all have ``n_valid`` samples before their padding."""
        return lambda waves: self(waves, np.full(len(waves), n_valid))
