"""Occlusion and deletion on the waveform, with the random control that such tests need."""

from collections.abc import Callable

import numpy as np
import pandas as pd

Classify = Callable[[np.ndarray], np.ndarray]


def occluded(
    wave: np.ndarray, rate_hz: int, window_s: float = 0.2, hop_s: float = 0.1, n_valid: int | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """A clip as it is, and with a short window muted, for windows along it.

    The fall of a class's probability from the first to each other is the clip's occlusion curve.

    Parameters
    ----------
    wave : np.ndarray, shape (N,)
    rate_hz : int
    window_s, hop_s : float
        Length and step of the muted window, in seconds.
    n_valid : int, optional
        Samples before the padding; windows stay within them. All by default.

    Returns
    -------
    waves : np.ndarray, shape (1 + W, N)
        The whole clip first.
    windows : pandas.DataFrame
        ``start_s`` and ``end_s`` of the W windows.

    References
    ----------
    arXiv 2512.18298, section V-A.2, Fig. 3(c).
    """
    window, hop = round(window_s * rate_hz), max(1, round(hop_s * rate_hz))
    end = len(wave) if n_valid is None else n_valid
    starts = np.arange(0, max(1, end - window + 1), hop)
    waves = np.repeat(wave[None], len(starts) + 1, axis=0)
    for row, start in enumerate(starts, start=1):
        waves[row, start : start + window] = 0.0
    ends = np.minimum(starts + window, end)
    return waves, pd.DataFrame({"start_s": starts / rate_hz, "end_s": ends / rate_hz})


def muted(wave: np.ndarray, frames: np.ndarray, hop_length: int) -> np.ndarray:
    """A copy of ``wave`` (N,) with the samples around the chosen ``frames`` (T,) of bool set to zero."""
    centres = np.flatnonzero(frames) * hop_length
    quiet = np.zeros(len(wave), dtype=bool)
    for centre in centres:
        start = centre - hop_length // 2
        quiet[max(0, start) : start + hop_length] = True
    return np.where(quiet, 0.0, wave).astype(wave.dtype)


def top_frames(saliency: np.ndarray, share: float) -> np.ndarray:
    """Mask (T,) of the most salient ``share`` of frames."""
    count = max(1, round(share * len(saliency)))
    mask = np.zeros(len(saliency), dtype=bool)
    mask[np.argsort(saliency, kind="stable")[::-1][:count]] = True
    return mask


def deletion(
    classify: Classify,
    wave: np.ndarray,
    target: int,
    saliency: np.ndarray,
    hop_length: int,
    rng: np.random.Generator,
    share: float = 0.2,
    controls: int = 10,
    n_valid: int | None = None,
) -> dict[str, float]:
    """Probability after muting the most salient frames, and after muting as many others.

    A fall alone proves nothing, any muting disturbs a model. The control is the same pattern of frames moved round
    the clip by a random amount: equal in number and in how they cluster, different in place.

    Parameters
    ----------
    classify : callable
        From waveforms (B, N) to probabilities (B, C).
    wave : np.ndarray, shape (N,)
    target : int
    saliency : np.ndarray, shape (T,)
        One value a frame.
    hop_length : int
        Samples between frames.
    rng : numpy.random.Generator
        Draws the controls.
    share : float
        Of the frames, in (0, 1).
    controls : int
        Random placements.
    n_valid : int, optional
        Samples before the padding, all by default. Frames beyond are neither chosen nor muted as a control: muting
        silence changes nothing, and the control would seem harmless.

    Returns
    -------
    dict
        ``whole``, ``salient_muted``, ``control_muted`` (mean over the controls): probabilities in [0, 1];
        ``controls_beaten``: share of the controls that leave a higher probability than muting the salient frames, one
        that leaves the same counting half. It is 0.5 for a map that says nothing and, unlike a fall of probability,
        does not depend on how sure a model is. All but ``whole`` are NaN for a flat map, which chooses no frames.

    References
    ----------
    arXiv 2512.18298, Fig. 3(e), which has no control.
    """
    frames = len(saliency) if n_valid is None else min(len(saliency), -(-n_valid // hop_length))
    heard = saliency[:frames]
    if np.ptp(heard) == 0:
        none = dict.fromkeys(("salient_muted", "control_muted", "controls_beaten"), np.nan)
        return {"whole": float(classify(wave[None])[0, target]), **none}
    chosen = top_frames(heard, share)
    shifts = rng.choice(np.arange(1, len(chosen)), size=min(controls, len(chosen) - 1), replace=False)
    masks = [chosen, *(np.roll(chosen, shift) for shift in shifts)]
    waves = np.stack([wave, *(muted(wave, mask, hop_length) for mask in masks)])
    whole, salient, *others = classify(waves)[:, target]
    control = np.array(others)
    return {
        "whole": float(whole),
        "salient_muted": float(salient),
        "control_muted": float(control.mean()),
        "controls_beaten": float(np.mean((control > salient) + 0.5 * (control == salient))),
    }


def enrichment(saliency: np.ndarray, times_s: np.ndarray, start_s: float, end_s: float) -> float:
    """Share of the saliency inside [start_s, end_s) over the share of frames there; 1 is what a flat map gets."""
    inside = (times_s >= start_s) & (times_s < end_s)
    total = saliency.sum()
    if not inside.any() or inside.all() or total <= 0:
        return float("nan")
    return float(saliency[inside].sum() / total / inside.mean())
