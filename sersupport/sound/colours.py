"""Colours of noise, after the law of eq. 4 of arXiv 2512.18298, and the slope of a spectrum."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from scipy.signal import welch

from sersupport.core.errors import UserError


def white(n: int, rng: np.random.Generator) -> np.ndarray:
    """White noise (n,): independent standard normal samples (eq. 5 with σ = 1)."""
    return rng.standard_normal(n)


def pink(n: int, rng: np.random.Generator) -> np.ndarray:
    """Pink noise (n,), −3.01 dB an octave: white noise filtered by |H(f)| ∝ 1/√f (eq. 6).

    The filter acts in the frequency domain: no gain at 0 Hz, a mean square of one over the other bins.
    """
    gain = np.zeros(n // 2 + 1)
    gain[1:] = 1 / np.sqrt(np.arange(1, len(gain)))
    gain /= max(np.sqrt(np.mean(gain**2)), np.finfo(float).tiny)  # n < 2 has no bin above 0 Hz
    return np.fft.irfft(np.fft.rfft(white(n, rng)) * gain, n)


def brown(n: int, rng: np.random.Generator) -> np.ndarray:
    """Brown noise (n,), −6.02 dB an octave: the running sum of white noise, literally (eq. 7).

    Nothing holds the sum near zero: a short piece carries a large offset, which counts in its peak and power.
    """
    return np.cumsum(white(n, rng))


COLOURS = MappingProxyType({"white": white, "pink": pink, "brown": brown})


def spectral_slope_db_per_octave(x: np.ndarray, rate_hz: float, band_hz: tuple[float, float] = (50.0, 2000.0)) -> float:
    """Slope of a signal's power spectral density in dB an octave: −3.01 β under the law of eq. 4.

    Welch's density (Hann, 8,192 samples) of ``x`` (n,) is regressed in dB on log2 f over ``band_hz``; a bin
    weighs 1/f, so that octaves count alike. A running sum departs from 1/f² above a tenth of the rate.
    """
    f_hz, density = welch(x, rate_hz, nperseg=min(8192, len(x)))
    inside = (f_hz > 0) & (f_hz >= band_hz[0]) & (f_hz <= band_hz[1]) & (density > 0)
    if inside.sum() < 3:
        raise UserError(f"spectral slope: too little energy or too few bins in {band_hz} Hz; widen the band")
    octaves, level_db = np.log2(f_hz[inside]), 10 * np.log10(density[inside])
    return float(np.polyfit(octaves, level_db, 1, w=f_hz[inside] ** -0.5)[0])  # polyfit squares its weights
