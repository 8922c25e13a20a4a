"""Which of several scores are told apart, and the ranks that this leaves to each."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from sersupport.evaluation import SIGNIFICANT
from sersupport.evaluation.paired import holm
from sersupport.evaluation.resampling import Resampled


def every_pair(
    scores: Resampled, weights: Mapping[str, np.ndarray], values: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Each of several scores against each other, with p values corrected by Holm's method over all pairs.

    Parameters
    ----------
    scores : Resampled
    weights : mapping
        By name: the weights (G,) of a score.
    values : mapping, optional
        By name: what the weights are a linear approximation of; see :meth:`Resampled.tested`.

    Returns
    -------
    pandas.DataFrame
        One row a pair: first, second, difference (first less second), low, high, p, p_holm, speakers.
    """
    rows = []
    for one, other in combinations(weights, 2):
        value = values[one] - values[other] if values else None
        rows.append({"first": one, "second": other, **scores.tested(weights[one] - weights[other], value)})
    frame = pd.DataFrame(rows, columns=["first", "second", "difference", "low", "high", "p", "speakers"])
    frame.insert(6, "p_holm", holm(frame["p"]))
    return frame


def ranks(names: Sequence[str], pairs: pd.DataFrame) -> pd.DataFrame:
    """Which ranks, from 1 for the highest, each of several scores may have: as far as pairs are told apart.

    Parameters
    ----------
    names : sequence of str
    pairs : pandas.DataFrame
        Of :func:`every_pair`.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``first`` (one more than are told apart as higher) and ``last`` (as many as there are, less those
        told apart as lower): simultaneous confidence sets of the ranks.

    References
    ----------
    Mogstad, Romano, Shaikh and Wilhelm (2024), Inference for ranks, Review of Economic Studies 91(1).
    """
    apart = pairs[pairs["p_holm"] < SIGNIFICANT]
    above = apart["first"].where(apart["difference"] > 0, apart["second"])
    below = apart["second"].where(apart["difference"] > 0, apart["first"])
    rows = [(name, 1 + int((below == name).sum()), len(names) - int((above == name).sum())) for name in names]
    return pd.DataFrame(rows, columns=["name", "first", "last"])


def in_words(ranks: pd.DataFrame, first: str, last: str, listed: bool = True) -> str:
    """What stands first and what last, and how many pairs are told apart.

    Parameters
    ----------
    ranks : pandas.DataFrame
        Of :func:`ranks`.
    first, last : str
        What it is to be so, such as "easiest" and "hardest".
    listed : bool
        Whether all are named that may be first, or last, where several may.
    """
    if len(ranks) < 2:
        return f"{first} and {last} not ranked"
    apart, pairs = int((ranks["first"] - 1).sum()), len(ranks) * (len(ranks) - 1) // 2
    found = [f"{apart} of {pairs} pairs told apart"]
    for place, own in ((first, ranks[ranks["first"] == 1]), (last, ranks[ranks["last"] == len(ranks)])):
        names = [name.replace("_", " ") for name in own["name"]]
        if len(names) == 1:
            found.append(f"{place} {names[0]}")
        elif listed and len(names) < len(ranks):
            found.append(f"{place} may be {', '.join(names[:-1])} or {names[-1]}")
    return "; ".join(found)


def over_both(pairs: pd.DataFrame) -> pd.Series:
    """The larger of ``p_holm`` and ``p_folds``; that over speakers where there are too few folds."""
    return np.fmax(pairs["p_holm"], pairs["p_folds"])


def told_apart(rivals: pd.DataFrame) -> str:
    """From how many rivals something is told apart, over speakers and, where there are enough, over folds; in words.

    Parameters
    ----------
    rivals : pandas.DataFrame
        Of :func:`sersupport.evaluation.paired.compare`.
    """
    near = int((~(over_both(rivals) < SIGNIFICANT)).sum())
    if near == 0:
        return f"told apart from all {len(rivals)} others"
    return f"not told apart from {near} of {len(rivals)} others"


def rank_text(ranks: pd.DataFrame) -> pd.Series:
    """The ranks that each may have, as "2" or "1–4", by name."""
    texts = [str(row.first) if row.first == row.last else f"{row.first}–{row.last}" for row in ranks.itertuples()]
    return pd.Series(texts, index=ranks["name"])


def moved(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Names whose ranks in two tables of :func:`ranks` have none in common."""
    both = one.merge(other, on="name")
    return both.loc[(both["first_x"] > both["last_y"]) | (both["first_y"] > both["last_x"]), "name"].tolist()
