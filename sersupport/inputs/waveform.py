"""The waveform itself, at the rate of the speech encoders: for systems that hold an encoder of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sersupport.inputs.base import Computed, Plain
from sersupport.inputs.encoders.encoder import ENCODER_RATE_HZ
from sersupport.sound import audio


@dataclass(frozen=True)
class Waveform(Plain):
    """Samples at 16 kHz, float32 (B, N), with their number before the padding."""

    kind: ClassVar[str] = "waveform"

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        rate = ENCODER_RATE_HZ
        slow = np.stack([audio.resample(wave, audio.RATE_HZ, rate) for wave in waves]).astype(np.float32)
        return slow, np.round(n_valid * (rate / audio.RATE_HZ)).astype(np.int64).clip(max=slow.shape[1])
