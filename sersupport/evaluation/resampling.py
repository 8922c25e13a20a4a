"""Scores of groups of predictions, and what becomes of them when speakers and sources of noise are drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from sersupport.core.errors import UserError
from sersupport.core.seeds import generator
from sersupport.evaluation.metrics import METRICS, classes, grouped_confusions

_STRATA = ("noise_part", "noise")  # within which sources are drawn


@dataclass(frozen=True, eq=False)
class Resampled:
    """Scores of G groups of a predictions table, and how they vary together.

    Speakers are drawn with replacement, each with all of its rows in every group. So are, by themselves, the sources
    of each kind of noise. The variances of both add up: what speakers and sources do to a score together is then
    counted twice, which errs on the safe side. Student's t gives the widths, by Satterthwaite's degrees of freedom:
    in simulation 95 % intervals hold the truth in 94 to 96 % of cases with three sources or more, and in 91 % with two
    that differ far more than speakers do.

    Attributes
    ----------
    groups : pandas.DataFrame
        One row a group: the values that define it.
    scores : np.ndarray, shape (G,)
        In [0, 1].
    rows : np.ndarray, shape (G,)
        Predictions of each.
    speakers : int
    draws : tuple of np.ndarray, shape (samples, G)
        Scores with the speakers drawn again, then with the sources of each kind of noise that has two or more.
    clusters : tuple of int
        How many there are to draw from, in each of ``draws``.

    References
    ----------
    Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1(2): speakers and sources drawn separately.
    Cameron, Gelbach and Miller (2011), Robust inference with multiway clustering, JBES 29(2): their variances add.
    Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bulletin 2(6).
    """

    groups: pd.DataFrame
    scores: np.ndarray
    rows: np.ndarray
    speakers: int
    draws: tuple[np.ndarray, ...]
    clusters: tuple[int, ...]

    def where(self, **values: object) -> np.ndarray:
        """Equal weights (G,) on the groups that have some values, 0 elsewhere."""
        found = np.logical_and.reduce([self.groups[name] == value for name, value in values.items()]).astype(float)
        if not found.any():
            raise LookupError(f"no group of predictions has {values}")
        return found / found.sum()

    def errors(self, weights: np.ndarray) -> list[float]:
        """Standard errors of a weighted sum of the scores: over speakers, then over each kind's sources.

        The bootstrap's own is too small by sqrt((n - 1) / n) over n clusters.
        """
        return [_error(own @ weights, n) for own, n in zip(self.draws, self.clusters, strict=True)]

    def tested(self, weights: np.ndarray, value: float | None = None, level: float = 0.95) -> dict[str, float]:
        """A weighted sum of the scores, such as a difference, with Student's interval and p value.

        Parameters
        ----------
        weights : np.ndarray, shape (G,)
        value : float, optional
            What the sum is a linear approximation of, where it is of something.
        level : float
            Coverage, in (0, 1).

        Returns
        -------
        dict
            See :func:`tested`.
        """
        value = float(weights @ self.scores) if value is None else value
        return tested(value, *self._together(self.errors(weights)), self.speakers, level)

    def interval(self, weights: np.ndarray, level: float = 0.95) -> tuple[float, float]:
        """Interval of a score, or a mean of scores, in [0, 1], which it holds: of its logit; NaN with a single speaker.

        Parameters
        ----------
        weights : np.ndarray, shape (G,)
            Not negative, with the sum 1.
        level : float
            Coverage, in (0, 1).
        """
        # half a row from all right or all wrong, where the logit ends
        least = 0.5 / self.rows[weights > 0].sum()
        values = [special.logit((own @ weights).clip(least, 1 - least)) for own in self.draws]
        score = weights @ self.scores
        middle = special.logit(np.clip(score, least, 1 - least))
        error, freedom = self._together([_error(own, n) for own, n in zip(values, self.clusters, strict=True)])
        half = stats.t.ppf((1 + level) / 2, freedom) * error
        # all right, or all wrong, lies beyond any logit
        ends = np.minimum(score, special.expit(middle - half)), np.maximum(score, special.expit(middle + half))
        return float(ends[0]), float(ends[1])

    def table(self) -> pd.DataFrame:
        """The groups with ``score``, ``low`` and ``high``."""
        ends = [self.interval(one) for one in np.eye(len(self.scores))]
        low, high = np.array(ends).T
        return self.groups.assign(score=self.scores, low=low, high=high)

    def _together(self, errors: Sequence[float]) -> tuple[float, float]:
        """One standard error of several, and its degrees of freedom."""
        variances, freedom = np.square(errors), np.array(self.clusters) - 1
        total = variances.sum()
        if not total > 0:  # nothing varies, or a single speaker
            return float(np.sqrt(total)), float(freedom[0])
        return float(np.sqrt(total)), float(total**2 / (variances**2 / freedom).sum())


def resampled(
    predictions: pd.DataFrame,
    by: Sequence[str] = (),
    metric: str = "uar",
    samples: int = 1000,
    seed: int = 0,
    sources: bool = False,
) -> Resampled:
    """Scores of groups of predictions, all of the same speakers, who are drawn together.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table; those of several seeds are pooled.
    by : sequence of str
        Columns that define the groups; without any there is one.
    metric : {"uar", "accuracy"}
    samples, seed : int
        Of the bootstrap.
    sources : bool
        Whether sources of noise are drawn as well, within each ``noise`` (and ``noise_part``, where there is one) that
        has two or more; a noise that is made afresh for every row has none.

    Raises
    ------
    UserError
        If a group lacks a speaker of another, naming them.
    """
    predictions = predictions.reset_index(drop=True)
    score, names = METRICS[metric], classes(predictions)
    place, groups = _grouped(predictions, by)
    counts = grouped_confusions(predictions, names, place, predictions["speaker"])
    if (missing := (counts.sum(axis=(2, 3)) == 0).any(axis=0)).any():
        raise unpaired(np.unique(predictions["speaker"])[missing])
    totals = counts.sum(axis=1)
    scores, speakers = score(totals), counts.shape[1]
    draws = [_drawn(counts, score, samples, generator(seed, "speaker bootstrap"))]
    clusters = [speakers]
    strata = [name for name in _STRATA if name in predictions]
    recorded = predictions[predictions["source"] != ""] if sources else predictions[:0]
    for kind, rows in recorded.groupby(strata):
        if (several := rows["source"].nunique()) > 1:
            reached, own_place = np.unique(place[rows.index], return_inverse=True)
            own = grouped_confusions(rows, names, own_place, rows["source"])
            again, rng = np.tile(scores, (samples, 1)), generator(seed, "source bootstrap", *kind)
            again[:, reached] = _drawn(own, score, samples, rng, totals[reached] - own.sum(axis=1))
            draws.append(again)
            clusters.append(several)
    return Resampled(groups, scores, np.bincount(place), speakers, tuple(draws), tuple(clusters))


def unpaired(speakers: Iterable[str]) -> UserError:
    """What to raise where some speakers are not in every group that is compared."""
    odd = ", ".join(speakers)
    return UserError(f"scores of different speakers have no paired contrast: {odd} not in every part")


def tested(value: float, error: float, freedom: float, speakers: int, level: float = 0.95) -> dict[str, float]:
    """Student's interval and two-sided p value of a difference; NaN where its standard error is.

    Parameters
    ----------
    value, error, freedom : float
        The difference, its standard error, and the degrees of freedom of that.
    speakers : int
        Over whom it is; of a single one there is no error.
    level : float
        Coverage, in (0, 1).

    Returns
    -------
    dict
        ``difference``, ``low``, ``high``, ``p``, ``speakers``.
    """
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    p = np.nan if np.isnan(error) else float(2 * stats.t.sf(abs(value) / max(error, 1e-12), freedom))
    return {"difference": value, "low": value - half, "high": value + half, "p": p, "speakers": speakers}


def standard_error(gap: Mapping[str, float], level: float = 0.95) -> float:
    """That of a difference over speakers, from its interval with one less degrees of freedom; NaN where that is."""
    return float((gap["high"] - gap["low"]) / 2 / stats.t.ppf((1 + level) / 2, gap["speakers"] - 1))


def _grouped(predictions: pd.DataFrame, by: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """The group of each row, and one row a group, in order of appearance."""
    if not by:
        return np.zeros(len(predictions), dtype=int), pd.DataFrame(index=[0])
    groups = predictions.groupby(list(by), sort=False, dropna=False)
    return groups.ngroup().to_numpy(), predictions.loc[groups.head(1).index, list(by)].reset_index(drop=True)


def _drawn(
    counts: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    samples: int,
    rng: np.random.Generator,
    besides: np.ndarray | None = None,
) -> np.ndarray:
    """Scores (samples, G) of counts (G, n, C, C) whose n clusters are drawn again, and of counts (G, C, C) besides."""
    n = counts.shape[1]
    times = rng.multinomial(n, np.full(n, 1 / n), size=samples).astype(float)
    besides = np.zeros(len(counts)) if besides is None else besides
    return np.stack(
        [score(np.einsum("bn,nij->bij", times, own) + fixed) for own, fixed in zip(counts, besides, strict=True)],
        axis=1,
    )


def _error(values: np.ndarray, clusters: int) -> float:
    """Standard error from bootstrap values (samples,) over n clusters."""
    return float(np.std(values)) * np.sqrt(clusters / (clusters - 1)) if clusters > 1 else float("nan")
