"""What a trained system says: of materials, and of waveforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader

from sersupport.inputs.base import Input, compute
from sersupport.inputs.store import Materials, MaterialsDataset
from sersupport.systems.base import System


@torch.inference_mode()
def predict(model: System, materials: Materials, batch_size: int = 64) -> np.ndarray:
    """Class probabilities, shape (n, C), in the materials' order."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    parts = []
    for batch in DataLoader(MaterialsDataset(materials.only(model.config.inputs)), batch_size=batch_size):
        batch.pop("labels")
        logits = model(**{name: tensor.to(device) for name, tensor in batch.items()}).logits
        parts.append(logits.softmax(dim=-1).cpu().numpy())
    model.cpu()
    return np.concatenate(parts)


@dataclass
class Recogniser:
    """Classifies clips from the waveform on.

    Parameters
    ----------
    model : System
        Trained, in evaluation mode.
    inputs : mapping of str to Input
        By role, those that the model was trained with: its configuration's, by
        :func:`sersupport.inputs.build.build`.
    """

    model: System
    inputs: Mapping[str, Input]

    def tensors(self, waves: np.ndarray, n_valid: np.ndarray) -> dict[str, torch.Tensor]:
        """What the model takes, for clips (B, N) at :data:`sersupport.sound.audio.RATE_HZ`."""
        own = {role: self.inputs[role] for role in self.model.config.inputs}
        found = {}
        for role, (values, lengths) in compute(own, waves, n_valid).items():
            found[role] = torch.from_numpy(values).float()
            if lengths is not None:
                found[f"{role}_length"] = torch.from_numpy(lengths)
        return found

    @torch.inference_mode()
    def __call__(self, waves: np.ndarray, n_valid: np.ndarray | None = None) -> np.ndarray:
        """Class probabilities (B, C) of clips (B, N) at :data:`sersupport.sound.audio.RATE_HZ`."""
        waves = np.asarray(waves, dtype=np.float32)
        n_valid = np.full(len(waves), waves.shape[1]) if n_valid is None else np.asarray(n_valid)
        return self.model(**self.tensors(waves, n_valid)).logits.softmax(dim=-1).numpy()

    def for_length(self, n_valid: int) -> Callable[[np.ndarray], np.ndarray]:
        """The classifier of clips (B, N) that all have ``n_valid`` samples before their padding."""
        return lambda waves: self(waves, np.full(len(waves), n_valid))
