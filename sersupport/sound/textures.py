"""Noises made of many small events: bursts that ring out, rain, dishes."""

from __future__ import annotations

import numpy as np
import scipy.signal


def bandpass(x: np.ndarray, low_hz: float, high_hz: float, rate_hz: int) -> np.ndarray:
    """A signal (n,) through a Butterworth band-pass filter of order 2."""
    return scipy.signal.sosfilt(scipy.signal.butter(2, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos"), x)


def add_wrapped(total: np.ndarray, y: np.ndarray, start: int) -> None:
    """Add y to total (n,) from start on, wrapping round its end."""
    places = (start + np.arange(len(y))) % len(total)
    np.add.at(total, places, y)


def bursts(
    n: int, rate_per_s: float, decay_s: float, band_hz: tuple[float, float], rng: np.random.Generator, rate_hz: int
) -> np.ndarray:
    """Noise bursts (n,) in a band that start at random times and ring out.

    Parameters
    ----------
    n : int
        Samples.
    rate_per_s, decay_s : float
        Mean number of bursts a second; time in which one falls to 1/e.
    band_hz : tuple of two floats
    rng : numpy.random.Generator
    rate_hz : int
    """
    total = np.zeros(n)
    length = max(2, int(5 * decay_s * rate_hz))
    decay = np.exp(-np.arange(length) / (decay_s * rate_hz))
    for _ in range(rng.poisson(rate_per_s * n / rate_hz)):
        burst = bandpass(rng.standard_normal(length), *band_hz, rate_hz) * decay
        add_wrapped(total, burst * rng.uniform(0.3, 1.0), rng.integers(n))
    return total


def rain(n: int, rng: np.random.Generator, rate_hz: int) -> np.ndarray:
    """Rain (n,): a hiss of drops too many to tell apart, and near ones that can be."""
    hiss = bandpass(rng.standard_normal(n), 400, 0.45 * rate_hz, rate_hz)
    drops = bursts(n, 60.0, 0.004, (1000, 0.4 * rate_hz), rng, rate_hz)
    return hiss / np.std(hiss) + drops / max(np.std(drops), 1e-9)


def dishes(n: int, rng: np.random.Generator, rate_hz: int) -> np.ndarray:
    """Dishes being stacked (n,): strokes at which a few high partials ring, over a faint clatter."""
    total = 0.05 * bandpass(rng.standard_normal(n), 500, 4000, rate_hz)
    time_s = np.arange(int(0.4 * rate_hz)) / rate_hz
    for _ in range(1 + rng.poisson(4.0 * n / rate_hz)):
        partials_hz = rng.uniform(1200, 0.4 * rate_hz, 4)
        stroke = sum(np.sin(2 * np.pi * hz * time_s) * np.exp(-time_s / rng.uniform(0.02, 0.15)) for hz in partials_hz)
        add_wrapped(total, stroke * rng.uniform(0.2, 1.0), rng.integers(n))
    return total


TEXTURES = {"synthetic rain": rain, "synthetic dishes": dishes}
