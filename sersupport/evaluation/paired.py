"""Systems, or noises, compared on the same speakers."""

import numpy as np
import pandas as pd
from scipy import stats

from sersupport.core.errors import UserError
from sersupport.evaluation.intervals import contrast, unshared
from sersupport.evaluation.tables import uar_of_each


def paired_difference(
    predictions: pd.DataFrame,
    first: str,
    second: str,
    metric: str = "uar",
    samples: int = 1000,
    by: str = "system",
    sources: bool = False,
) -> dict[str, float]:
    """How much better one system is than another on the same speakers; see :func:`.intervals.difference`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table with both systems.
    first, second : str
        Values of ``by``; the difference is first minus second.
    metric, samples
        As for :func:`.intervals.difference`.
    by : str
        Column that tells the systems apart.
    sources : bool
        Whether recordings of noise are drawn as well; see :func:`.intervals.speaker_interval`.

    Raises
    ------
    UserError
        If the two were tested on different speakers, naming them.
    """
    parts = [predictions[predictions[by] == name] for name in (first, second)]
    if parts[0].empty or unshared(parts):
        odd = ", ".join(unshared(parts)) or "nobody at all"
        raise UserError(f"{first} and {second} were not tested on the same speakers ({odd}): no paired difference")
    return contrast(parts, [1, -1], metric, samples, sources=sources)


def nested(mild: pd.DataFrame, strict: pd.DataFrame) -> pd.DataFrame:
    """Of a milder protocol's predictions those on utterances that a stricter one tests, where it tests nothing else.

    So it is over all folds, and the two are compared on the same utterances. In some of the folds they test different
    ones: then all of the milder one's are returned.
    """
    key = ["utterance", "seed"] if "seed" in mild else ["utterance"]
    own, other = (pd.MultiIndex.from_frame(part[key]) for part in (mild, strict))
    return mild[own.isin(other)] if other.isin(own).all() else mild


def compare(
    predictions: pd.DataFrame,
    baseline: str,
    by: str = "system",
    samples: int = 1000,
    sources: bool = False,
) -> pd.DataFrame:
    """Every other system against a baseline, with p values corrected by Holm's method.

    Parameters
    ----------
    predictions, by, samples, sources
        As for :func:`paired_difference`.
    baseline : str
        What the others are compared with.

    Returns
    -------
    pandas.DataFrame
        One row a system, in order of appearance: ``by``, difference (to the baseline), low, high, p, p_holm, p_folds
        (see :func:`over_folds`, corrected likewise), speakers.
    """
    others = [name for name in predictions[by].unique() if name != baseline]
    rows = [
        {by: name, **paired_difference(predictions, name, baseline, samples=samples, by=by, sources=sources)}
        for name in others
    ]
    frame = pd.DataFrame(rows, columns=[by, "difference", "low", "high", "p", "speakers"])
    frame.insert(5, "p_holm", holm(frame["p"]))
    frame.insert(6, "p_folds", holm([over_folds(predictions, name, baseline, by) for name in others]))
    return frame


def over_folds(predictions: pd.DataFrame, first: str, second: str, by: str = "system") -> float:
    """Two-sided p of a difference of UAR over folds (Student), whose speakers are no independent trials of training.

    The speakers of a fold are tested by one model. Over so few folds the test finds only what is large.

    Parameters
    ----------
    predictions, first, second, by
        As for :func:`paired_difference`.

    Returns
    -------
    float
        NaN with fewer than three folds.
    """
    both = predictions[predictions[by].isin([first, second])]
    if "fold" not in both or both["fold"].nunique() < 3:
        return float("nan")
    wide = uar_of_each(both, "fold", by).unstack()
    return float(stats.ttest_rel(wide[first], wide[second]).pvalue)


def holm(p: pd.Series) -> np.ndarray:
    """p values after Holm's correction, as one family; NaN stays NaN and counts for nothing.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
    """
    # statsmodels' collects garbage at every call, which takes a second where torch is loaded
    values = np.asarray(p, float)
    corrected, order = np.full(len(values), np.nan), np.argsort(values)[: np.sum(~np.isnan(values))]
    steps = values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.maximum.accumulate(steps).clip(max=1)
    return corrected
