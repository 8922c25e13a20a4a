"""The prosody of a whole clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sersupport.inputs.base import Computed, Plain
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.functionals import functionals


@dataclass(frozen=True)
class Prosody(Plain):
    """The 103 values of :func:`sersupport.sound.functionals.functionals`, float32 (B, 103), of what is not padding."""

    kind: ClassVar[str] = "prosody"

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        clips = zip(waves, n_valid, strict=True)
        return np.stack([functionals(wave[:n], RATE_HZ) for wave, n in clips]).astype(np.float32), None
