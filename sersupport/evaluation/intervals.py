"""Scores and their differences with intervals over speakers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats

from sersupport.core.errors import UserError
from sersupport.core.seeds import generator
from sersupport.evaluation.metrics import METRICS, classes, speaker_confusions


def _resampled(counts: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Sums over speakers drawn with replacement: counts (..., speakers, C, C) to (samples, ..., C, C)."""
    n = counts.shape[-3]
    draws = generator(seed, "speaker bootstrap").multinomial(n, np.full(n, 1 / n), size=samples)
    return np.einsum("bs,...sij->b...ij", draws, counts)


def _standard_error(values: np.ndarray, speakers: int) -> float:
    """Standard error from bootstrap values; over n clusters the bootstrap's own is too small by sqrt((n - 1) / n)."""
    return float(np.std(values)) * np.sqrt(speakers / (speakers - 1))


def speaker_interval(
    predictions: pd.DataFrame, samples: int = 1000, level: float = 0.95, seed: int = 0, metric: str = "uar"
) -> tuple[float, float]:
    """Interval of a score by bootstrap over *speakers*: whole speakers are drawn with replacement.

    Utterances of one speaker are not independent; resampling them would give intervals that are too narrow. The
    bootstrap gives the standard error of the score's logit, Student's t with as many degrees of freedom as there are
    speakers, less one, gives the width: percentiles of so few speakers cover far less than they promise (with four,
    87.5 % is the most that any of them can).

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table; those of several seeds are pooled.
    samples : int
        Bootstrap samples.
    level : float
        Coverage, in (0, 1).
    seed : int
        Of the resampling.
    metric : {"uar", "accuracy"}
        What the interval is of.

    Returns
    -------
    low, high : float
        In [0, 1]; NaN with a single speaker, of whom nothing can be said beyond that voice.

    References
    ----------
    Field, C. A. and Welsh, A. H. (2007), Bootstrapping clustered data, JRSS B 69(3).
    Hesterberg, T. C. (2015), What teachers should know about the bootstrap, The American Statistician 69(4).
    """
    counts, score = speaker_confusions(predictions, classes(predictions)), METRICS[metric]
    if len(counts) < 2:
        return float("nan"), float("nan")
    least = 0.5 / len(predictions)  # half an utterance from all right or all wrong, where the logit ends
    values = special.logit(score(_resampled(counts, samples, seed)).clip(least, 1 - least))
    middle = special.logit(np.clip(score(counts.sum(axis=0)), least, 1 - least))
    half = stats.t.ppf((1 + level) / 2, len(counts) - 1) * _standard_error(values, len(counts))
    return float(special.expit(middle - half)), float(special.expit(middle + half))


def difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metric: str = "uar",
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """How much higher the first predictions score than the second, with an interval over speakers.

    On the same speakers the difference is paired: each draw takes the same speakers for both. On different ones the
    two errors add up as those of independent samples.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Rows of the predictions table.
    metric : {"uar", "accuracy"}
        Score to compare.
    samples, level, seed
        As for :func:`speaker_interval`.

    Returns
    -------
    dict
        ``difference``, ``low``, ``high`` (of the score), ``p`` (two-sided, Student's t over speakers), ``speakers``
        (the fewer of the two); NaN but for the difference with a single speaker.
    """
    if not unshared([first, second]):
        return contrast([first, second], [1, -1], metric, samples, level, seed)
    names = classes(first, second)
    score, counts = METRICS[metric], [speaker_confusions(part, names) for part in (first, second)]
    gap = float(np.subtract(*(score(part.sum(axis=0)) for part in counts)))
    error = np.nan
    if min(map(len, counts)) > 1:
        error = np.hypot(*(_standard_error(score(_resampled(part, samples, seed)), len(part)) for part in counts))
    return _tested(gap, float(error), min(map(len, counts)), level)


def unshared(parts: Sequence[pd.DataFrame]) -> list[str]:
    """Speakers who are in some parts of a predictions table and not in others, in alphabetical order."""
    speakers = [set(part["speaker"]) for part in parts]
    return sorted(set.union(*speakers) - set.intersection(*speakers))


def contrast(
    parts: Sequence[pd.DataFrame],
    weights: Sequence[float],
    metric: str = "uar",
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Weighted sum of scores on the same speakers, such as a difference or a difference of differences.

    Parameters
    ----------
    parts : sequence of pandas.DataFrame
        Rows of the predictions table; all with the same speakers, who are drawn together.
    weights : sequence of float
        Of the parts' scores.
    metric, samples, level, seed
        As for :func:`difference`, whose result this has.

    Raises
    ------
    UserError
        If a part lacks a speaker of another, naming them.
    """
    if odd := unshared(parts):
        raise UserError(f"scores of different speakers have no paired contrast: {', '.join(odd)} not in every part")
    score = METRICS[metric]
    counts = np.stack([speaker_confusions(part, classes(*parts)) for part in parts])
    value = float(np.dot(weights, score(counts.sum(axis=1))))
    error = np.nan
    if counts.shape[1] > 1:
        error = _standard_error(score(_resampled(counts, samples, seed)) @ np.array(weights, float), counts.shape[1])
    return _tested(value, error, counts.shape[1], level)


def _tested(value: float, error: float, speakers: int, level: float) -> dict[str, float]:
    """A difference with Student's interval and p value over speakers; NaN with a single one."""
    half = float(stats.t.ppf((1 + level) / 2, speakers - 1)) * error if speakers > 1 else np.nan
    p = float(2 * stats.t.sf(abs(value) / max(error, 1e-12), speakers - 1)) if speakers > 1 else np.nan
    return {"difference": value, "low": value - half, "high": value + half, "p": p, "speakers": speakers}
