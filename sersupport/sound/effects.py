"""Effects on speech: another pitch, a room, a telephone."""

from __future__ import annotations

import librosa
import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

TELEPHONE_HZ = 8000  # sampling rate of G.711
RT60_S = (0.5, 1.0)  # reverberation times of a room that is drawn


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


def telephone(y: np.ndarray, rate_hz: int) -> np.ndarray:
    """A wave (n,) through a telephone line: 300 to 3,400 Hz, 8,000 samples a second of 8 bits in μ-law.

    References
    ----------
    ITU-T Recommendation G.711 (1988), with its μ = 255.
    """
    narrow = sosfilt(butter(4, (300, 3400), "bandpass", fs=rate_hz, output="sos"), y)
    sampled = soxr.resample(narrow, rate_hz, TELEPHONE_HZ)
    peak = max(float(np.abs(sampled).max(initial=0)), 1e-9)
    compressed = np.sign(sampled) * np.log1p(255 * np.abs(sampled) / peak) / np.log(256)
    steps = np.round(compressed * 127) / 127
    expanded = np.sign(steps) * (256 ** np.abs(steps) - 1) / 255 * peak
    back = soxr.resample(expanded, TELEPHONE_HZ, rate_hz)[: len(y)]
    return np.pad(back, (0, len(y) - len(back))).astype(np.float32)


# what is done to speech without a level: takes a wave (n,), its rate and a generator
EFFECTS = {
    "room": lambda y, rate_hz, rng: reverberant(y, rng.uniform(*RT60_S), rng, rate_hz),
    "telephone": lambda y, rate_hz, rng: telephone(y, rate_hz),
}
