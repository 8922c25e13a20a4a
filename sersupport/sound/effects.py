"""Effects on speech: another pitch, a room."""

from __future__ import annotations

import librosa
import numpy as np
from scipy.signal import fftconvolve


def pitch_shift(y: np.ndarray, rate_hz: float, semitones: float = 0.7) -> np.ndarray:
    """Move the pitch of ``y`` (n,) and keep its length: phase vocoder, then resampling (librosa).

    Eq. 11 as printed rescales the frequency axis, which changes the duration too; the text wants it kept.
    """
    return librosa.effects.pitch_shift(y, sr=rate_hz, n_steps=semitones)


def reverberant(wave: np.ndarray, rt60_s: float, rng: np.random.Generator, rate_hz: int) -> np.ndarray:
    """A wave (N,) in a room: the direct sound, then noise that decays by 60 dB within ``rt60_s``; as loud as before.

    References
    ----------
    Polack's statistical model of late reverberation (1988), as in Habets (2007), section 2.3.
    """
    n = max(2, round(rt60_s * rate_hz))
    response = 0.3 * rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response[0] = 1.0
    wet = fftconvolve(wave, response)[: len(wave)]
    return (wet * np.sqrt(np.mean(wave**2) / max(np.mean(wet**2), 1e-12))).astype(np.float32)
