"""Mixing speech and noise by peak ratio λ or by SNR: equations of arXiv 2512.18298, sections III-B and III-C."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sersupport.core.errors import UserError


class Mixture(NamedTuple):
    """A noisy signal (N,), which may exceed ±1 and is not clipped, and the noise that was added (N,)."""

    signal: np.ndarray
    noise_added: np.ndarray


def align(noise: np.ndarray, n: int) -> np.ndarray:
    """Noise at the speech's length: cut at ``n`` samples if longer, zero-padded if shorter, never looped."""
    return np.pad(noise[:n], (0, max(0, n - len(noise))))


def mix(speech: np.ndarray, noise: np.ndarray, level: float, scale: str = "peak") -> Mixture:
    """Add noise at an amplitude ratio. Silent noise adds nothing, nor does ``"peak"`` to silent speech.

    Parameters
    ----------
    speech, noise : np.ndarray [shape=(N,)]
        Signals of one length (:func:`align`) and rate.
    level : float >= 0
        λ of eqs. 2 and 10, α of eq. 8.
    scale : {"peak", "unit", "raw"}
        ``"peak"``: the added noise peaks at ``level * max|speech|`` (eqs. 1-3). ``"unit"``: it peaks at
        ``level`` (eq. 8 as printed; the text below eq. 9 means ``"peak"``). ``"raw"``: ``level * noise``
        (eq. 10 as printed).
    """
    _check_lengths(speech, noise)
    if not level >= 0:
        raise UserError(f"mix: level {level} must be 0 or more")
    if scale not in ("peak", "unit", "raw"):
        raise UserError(f"mix: unknown scale {scale!r}; there are: peak, unit, raw")
    speech_peak, noise_peak = (float(np.max(np.abs(x), initial=0)) for x in (speech, noise))
    # dividing before multiplying keeps the peak exact: the loudest sample becomes ±1
    unit = noise if scale == "raw" else noise / (noise_peak or 1.0)
    added = unit * (level * speech_peak if scale == "peak" else level)
    return Mixture(speech + added, added)


def snr_db(speech: np.ndarray, noise: np.ndarray, active: np.ndarray | None = None) -> float:
    """Ratio in dB of the mean powers of speech (N,) and noise as added (N,).

    Measured over the samples that ``active`` (N,) marks, such as :func:`sersupport.sound.audio.speech_active`, or
    over all; inf without noise, −inf without speech, NaN with neither or if no sample is active.
    """
    speech_power, noise_power = _powers(speech, noise, active)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.float64(speech_power) / noise_power))


def mix_at_snr(speech: np.ndarray, noise: np.ndarray, snr_db: float, active: np.ndarray | None = None) -> Mixture:
    """Add noise so that :func:`snr_db`, with the same arguments, gives the ratio asked for.

    A UserError if speech or noise has no power where it is measured: no gain reaches the ratio then.
    """
    speech_power, noise_power = _powers(speech, noise, active)
    if not (speech_power > 0 and noise_power > 0):
        silent = "noise" if speech_power > 0 else "speech"
        raise UserError(f"mix at {snr_db:g} dB: the {silent} is silent there; choose another segment")
    added = noise * float(np.sqrt(speech_power / noise_power) * 10 ** (-snr_db / 20))
    return Mixture(speech + added, added)


def _powers(speech: np.ndarray, noise: np.ndarray, active: np.ndarray | None) -> tuple[float, float]:
    _check_lengths(speech, noise)
    if active is not None:
        speech, noise = speech[active], noise[active]
    if not len(speech):
        return np.nan, np.nan
    return tuple(float(np.mean(np.square(x, dtype=np.float64))) for x in (speech, noise))


def _check_lengths(speech: np.ndarray, noise: np.ndarray) -> None:
    if speech.shape != noise.shape or speech.ndim != 1:
        raise UserError(f"speech {speech.shape} and noise {noise.shape} must be 1-D and as long; align them")
