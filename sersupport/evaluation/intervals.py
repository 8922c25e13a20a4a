"""Scores and their differences with intervals over speakers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sersupport.evaluation.resampling import resampled, standard_error, tested, unpaired


def speaker_interval(
    predictions: pd.DataFrame,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    metric: str = "uar",
    sources: bool = False,
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
    sources : bool
        Whether sources of noise are drawn as well; see :class:`sersupport.evaluation.resampling.Resampled`.

    Returns
    -------
    low, high : float
        In [0, 1]; NaN with a single speaker, of whom nothing can be said beyond that voice.

    References
    ----------
    Field, C. A. and Welsh, A. H. (2007), Bootstrapping clustered data, JRSS B 69(3).
    Hesterberg, T. C. (2015), What teachers should know about the bootstrap, The American Statistician 69(4).
    """
    return resampled(predictions, (), metric, samples, seed, sources).interval(np.ones(1), level)


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
    one, other = (resampled(part, (), metric, samples, seed) for part in (first, second))
    gap, fewest = float(one.scores[0] - other.scores[0]), min(one.speakers, other.speakers)
    error = float(np.hypot(*one.errors(np.ones(1)), *other.errors(np.ones(1))))
    return tested(gap, error, fewest - 1, fewest, level)


def independent(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """First less second of two such results over different speakers: their errors add up; see :func:`difference`."""
    fewest, errors = min(first["speakers"], second["speakers"]), (standard_error(first), standard_error(second))
    return tested(first["difference"] - second["difference"], float(np.hypot(*errors)), fewest - 1, fewest)


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
    sources: bool = False,
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
    sources : bool
        As for :func:`speaker_interval`.

    Raises
    ------
    UserError
        If a part lacks a speaker of another, naming them.
    """
    if odd := unshared(parts):
        raise unpaired(odd)
    both = pd.concat([part.assign(part=place) for place, part in enumerate(parts)], ignore_index=True)
    return resampled(both, ["part"], metric, samples, seed, sources).tested(np.array(weights, float), level=level)
