"""What noise does to predictions and scores."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sersupport.evaluation.resampling import Resampled


def against_clean(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions in which "true" is what the same model says of the utterance's clean speech: accuracy is stability.

    Parameters
    ----------
    predictions : pandas.DataFrame
        With condition "clean" among its conditions. A model is told by system, protocol, fold and seed, as far as
        there are such columns.

    Returns
    -------
    pandas.DataFrame
        Without the clean rows, and without those of utterances that have none.
    """
    key = [name for name in ("system", "protocol", "fold", "seed", "utterance") if name in predictions]
    clean = predictions.loc[predictions["condition"] == "clean", [*key, "predicted"]].drop_duplicates(key)
    noisy = predictions[predictions["condition"] != "clean"].drop(columns="true")
    return noisy.merge(clean.rename(columns={"predicted": "true"}), on=key)


def level_weights(levels: Sequence[float]) -> np.ndarray:
    """Weights (n,) of scores at n levels of noise, with the sum 1: the scores' mean over the range of the levels.

    That is the area under the score by the trapezoidal rule, divided by the range. Of a single level, the score there.

    Parameters
    ----------
    levels : sequence of float
        In any order, each once; dB for a mean over decibels.
    """
    level = np.asarray(levels, float)
    order = np.argsort(level)
    gaps = np.diff(level[order])
    weights = np.ones(1) if not len(gaps) else np.append(gaps, 0) + np.insert(gaps, 0, 0)
    return (weights / weights.sum())[np.argsort(order)]


def area_weights(scores: Resampled, **values: object) -> np.ndarray:
    """Weights of the mean over the range of levels of the groups with some values.

    Parameters
    ----------
    scores : Resampled
        ``level`` is among the columns that define its groups. Several groups of one level share its weight.
    **values
        Which groups.
    """
    weights = np.zeros(len(scores.scores))
    own = np.flatnonzero(scores.where(**values))
    level = scores.groups["level"].to_numpy()[own]
    each, place, number = np.unique(level, return_inverse=True, return_counts=True)
    weights[own] = (level_weights(each) / number)[place]
    return weights


def retained_weights(
    scores: Resampled, clean: np.ndarray, noisy: np.ndarray, chance: float
) -> tuple[float, np.ndarray]:
    """Share of what clean speech has above chance that is left in noise, with the weights of its linear approximation.

    A system that starts low has little to lose, and loses less in points; this says how much of it is left.

    Parameters
    ----------
    scores : Resampled
    clean, noisy : np.ndarray, shape (G,)
        Weights of a system's groups, such as those of :meth:`Resampled.where` and :func:`area_weights`.
    chance : float
        Score of guessing.

    Returns
    -------
    share : float
        (noisy - chance) / (clean - chance); NaN where the interval of clean speech holds chance, and so nothing is
        there to be lost.
    weights : np.ndarray, shape (G,)
        Of what the share varies by, for :meth:`Resampled.tested`; those of two systems may be subtracted.

    References
    ----------
    Cochran (1977), Sampling techniques, section 2.11: the error of a ratio is that of its linear approximation.
    """
    gained = float(clean @ scores.scores) - chance
    if gained <= 0 or scores.interval(clean)[0] <= chance:
        return np.nan, np.full(len(clean), np.nan)
    share = (float(noisy @ scores.scores) - chance) / gained
    return share, (noisy - share * clean) / gained
