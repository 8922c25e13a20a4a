"""Prosody measured with Praat, of synthetic or real speech."""

from __future__ import annotations

import numpy as np
import pandas as pd
import parselmouth
import scipy.signal

from sersupport.core.errors import UserError
from sersupport.sound.audio import SHORTEST_S


def measure_prosody(y: np.ndarray, rate_hz: int) -> dict[str, float]:
    """Measure prosody with Praat, of synthetic or real speech.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono speech, at least 0.15 s.
    rate_hz : int
        Sampling rate.

    Returns
    -------
    dict
        ``f0_mean_hz`` over voiced frames; ``f0_range_semitones`` from the 5th to the 95th percentile (both NaN if
        nothing is voiced); ``rate_syllables_per_s``, voiced intensity peaks per second of phrase, a proxy that misses
        weak syllables; ``intensity_db`` re full scale, mean energy of the phrase. The phrase runs from the first to
        the last moment within 25 dB of the loudest.

    Raises
    ------
    UserError
        If `y` is too short, silent or not finite.

    References
    ----------
    .. [1] D. Hirst, "A Praat plugin for Momel and INTSINT", ICPhS 2007: two-pass pitch floor and ceiling.
    .. [2] N. H. de Jong and T. Wempe, "Praat script to detect syllable nuclei", Behavior Research Methods 41, 2009.
    """
    if np.ndim(y) != 1 or len(y) < SHORTEST_S * rate_hz or not np.isfinite(y).all() or not np.any(y):
        raise UserError(f"prosody needs one channel, {SHORTEST_S} s or more, finite and not silent")
    sound = parselmouth.Sound(np.asarray(y, dtype=float), sampling_frequency=rate_hz)
    f0_hz = sound.to_pitch_ac(0.01, 65, pitch_ceiling=650).selected_array["frequency"]
    f0_hz = f0_hz[f0_hz > 0]
    pitch = None
    if len(f0_hz):
        low, high = np.percentile(f0_hz, [25, 75])
        pitch = sound.to_pitch_ac(0.01, max(0.75 * low, 50), pitch_ceiling=min(2.5 * high, 900))
        f0_hz = pitch.selected_array["frequency"]
        f0_hz = f0_hz[f0_hz > 0]
    level = sound.to_intensity(50.0, 0.01)
    level_db, times_s = level.as_array()[0], level.xs()
    phrase = np.flatnonzero(level_db > level_db.max() - 25)
    peaks = scipy.signal.find_peaks(level_db, height=level_db.max() - 25, prominence=2.0)[0]
    nuclei = [p for p in peaks if pitch is not None and pitch.get_value_at_time(times_s[p]) > 0]
    phrase_s = (phrase[-1] - phrase[0] + 1) * 0.01
    low_hz, high_hz = np.percentile(f0_hz, [5, 95]) if len(f0_hz) else (np.nan, np.nan)
    inside = y[int(times_s[phrase[0]] * rate_hz) : int(times_s[phrase[-1]] * rate_hz) + 1]
    return {
        "f0_mean_hz": float(np.mean(f0_hz)) if len(f0_hz) else float("nan"),
        "f0_range_semitones": float(12 * np.log2(high_hz / low_hz)),
        "rate_syllables_per_s": len(nuclei) / phrase_s,
        "intensity_db": float(10 * np.log10(np.mean(np.square(inside, dtype=float)))),
    }


def relative_to_neutral(means: pd.DataFrame) -> pd.DataFrame:
    """Change of prosody against the same speaker's neutral speech.

    Parameters
    ----------
    means : pandas.DataFrame
        Indexed by speaker and emotion, columns of :func:`measure_prosody`.

    Returns
    -------
    pandas.DataFrame
        The same columns, speakers without neutral speech left out (all of them, perhaps): mean F0 and rate in per
        cent, F0 range in semitones, intensity in dB.
    """
    neutral = means[means.index.get_level_values("emotion") == "neutral"].droplevel("emotion")
    means = means[means.index.get_level_values("speaker").isin(neutral.index)]
    neutral = neutral.reindex(means.index.get_level_values("speaker")).set_axis(means.index)
    relative = ["f0_mean_hz", "rate_syllables_per_s"]
    change = means - neutral
    change[relative] = 100 * change[relative] / neutral[relative]
    return change
