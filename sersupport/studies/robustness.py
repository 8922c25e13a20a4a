"""Trained systems on the grids of noise: what is left at each level, which noise is hardest, what hearing it brings."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from sersupport.evaluation.curves import area_weights, retained_weights
from sersupport.evaluation.intervals import speaker_interval
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.paired import holm
from sersupport.evaluation.ranking import every_pair, ranks
from sersupport.evaluation.resampling import resampled
from sersupport.evaluation.tables import number_of_sources
from sersupport.recipes.drawing import MADE
from sersupport.studies.jobs import Bench, Trained

CELLS = ("system", "noise", "level")
TOGETHER = "all noises"
UNHEARD = "unheard"  # noise_part of types that training never has
HEARD = "types of training"


def on_grids(
    bench: Bench,
    systems: Iterable[Trained],
    grids: Mapping[str, tuple[str, pd.DataFrame]],
    tested: Mapping[int, Collection[str]],
) -> pd.DataFrame:
    """Predictions of every system on what its fold tests of every grid.

    Parameters
    ----------
    bench : Bench
    systems : iterable of Trained
    grids : mapping
        By name: the part whose noise sources it has ("train", "test"), and its recipes.
    tested : mapping
        By fold, the utterances that it tests.

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``noise_part``.
    """
    tables = []
    for part, recipes in grids.values():
        of_fold = {fold: recipes[recipes["utterance"].isin(own)] for fold, own in tested.items()}
        tables.append(bench.test(systems, of_fold).assign(noise_part=part))
    return pd.concat(tables, ignore_index=True)


class Axis:
    """One axis of levels, λ or decibels: every system, in every noise at every level, and clean.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`.
    level_kind : {"lambda", "snr"}
    samples : int
        Bootstrap samples, over speakers and over the sources of each noise.
    """

    def __init__(self, predictions: pd.DataFrame, level_kind: str, samples: int = 1000) -> None:
        here = predictions[predictions["noise_part"] == "test"]
        noisy = here[here["level_kind"] == level_kind]
        clean = here[(here["condition"] == "clean") & here["utterance"].isin(set(noisy["utterance"]))]
        self.scores = resampled(pd.concat([noisy, clean]), CELLS, samples=samples, sources=True)
        self.systems, self.noises = list(noisy["system"].unique()), list(noisy["noise"].unique())
        self.sources = {noise: number_of_sources(rows) for noise, rows in noisy.groupby("noise")}
        self.chance = 1 / noisy["true"].nunique()

    def curves(self) -> pd.DataFrame:
        """UAR of every system in every noise at every level: the columns of :data:`CELLS` and ``recall``."""
        found = self.scores.groups.assign(recall=self.scores.scores)
        return found[found["noise"] != ""]

    def area(self, system: str, noise: str = TOGETHER) -> np.ndarray:
        """Weights of the mean UAR over the range of levels; with all noises together, of the mean of theirs."""
        if noise != TOGETHER:
            return area_weights(self.scores, system=system, noise=noise)
        return np.mean([self.area(system, one) for one in self.noises], axis=0)

    def areas(self) -> pd.DataFrame:
        """Area under UAR over the levels, divided by their range.

        Returns
        -------
        pandas.DataFrame
            ``system``, ``noise`` (also :data:`TOGETHER`), ``sources``, ``area``, ``low``, ``high``, and the standard
            errors ``over speakers`` and ``over sources``, NaN where there are not two.
        """
        rows = []
        for system in self.systems:
            for noise in (*self.noises, TOGETHER):
                weights, number = self.area(system, noise), self.sources.get(noise, np.nan)
                over, *others = self.scores.errors(weights)
                drawn = np.hypot.reduce(others) if noise == TOGETHER or number > 1 else np.nan
                ends = self.scores.interval(weights)
                rows.append((system, noise, number, weights @ self.scores.scores, *ends, over, drawn))
        names = ["system", "noise", "sources", "area", "low", "high", "over speakers", "over sources"]
        return pd.DataFrame(rows, columns=names)

    def noise_ranks(self, system: str) -> pd.DataFrame:
        """Ranks (1 is easiest) that each noise may have, as far as pairs of noises are told apart.

        A recorded noise of a single source has none: one recording says nothing about a kind of noise.

        Returns
        -------
        pandas.DataFrame
            See :func:`sersupport.evaluation.ranking.ranks`.
        """
        several = [noise for noise in self.noises if self.sources[noise] != 1]
        return ranks(several, every_pair(self.scores, {noise: self.area(system, noise) for noise in several}))

    def retained(self) -> pd.DataFrame:
        """Of every system, all noises together: what it has clean, in noise, and which share above chance it keeps.

        Returns
        -------
        pandas.DataFrame
            ``system``, ``clean`` and ``area`` (UAR), ``retained``, ``low``, ``high``.
        """
        rows = []
        for system in self.systems:
            share, weights = self._retained(system)
            found = self.scores.tested(weights, share)
            uar = [own @ self.scores.scores for own in (self._clean(system), self.area(system))]
            rows.append((system, *uar, share, found["low"], found["high"]))
        return pd.DataFrame(rows, columns=["system", "clean", "area", "retained", "low", "high"])

    def between_systems(self) -> pd.DataFrame:
        """Every pair of systems, all noises together, by area and by the share that noise leaves: one family of tests.

        Returns
        -------
        pandas.DataFrame
            ``measure`` ("area" or "retained"), and what :func:`sersupport.evaluation.ranking.every_pair` gives.
        """
        shares = {system: self._retained(system) for system in self.systems}
        values, weights = ({name: pair[place] for name, pair in shares.items()} for place in (0, 1))
        pairs = [
            every_pair(self.scores, {system: self.area(system) for system in self.systems}).assign(measure="area"),
            every_pair(self.scores, weights, values).assign(measure="retained"),
        ]
        both = pd.concat(pairs, ignore_index=True)
        return both.assign(p_holm=holm(both["p"]))

    def _clean(self, system: str) -> np.ndarray:
        return self.scores.where(system=system, noise="")

    def _retained(self, system: str) -> tuple[float, np.ndarray]:
        return retained_weights(self.scores, self._clean(system), self.area(system), self.chance)


def by_source(predictions: pd.DataFrame, system: str, samples: int = 1000) -> pd.DataFrame:
    """One system's UAR in noise from each recording by itself, all decibels together, with intervals over speakers.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`.
    system : str
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``noise``, ``source``, ``utterances`` (each with an offset of its own), ``UAR``, ``low``, ``high``, and
        ``clean``, the UAR of the same utterances without noise.
    """
    own = predictions[(predictions["system"] == system) & (predictions["noise_part"] == "test")]
    clean, rows = own[own["condition"] == "clean"], []
    noisy = own[(own["level_kind"] == "snr") & (own["source"] != "")]
    for (noise, source), part in noisy.groupby(["noise", "source"]):
        same = clean[clean["utterance"].isin(set(part["utterance"]))]
        low, high = speaker_interval(part, samples)
        uar = [metrics(one)["recall"] for one in (part, same)]
        rows.append((noise, source, part["utterance"].nunique(), uar[0], low, high, uar[1]))
    return pd.DataFrame(rows, columns=["noise", "source", "utterances", "UAR", "low", "high", "clean"])


def heard_less_unheard(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """Area under UAR over decibels in noise from the sources of training less that from others, paired by speaker.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`; utterances that are in both grids are compared, at the decibels that both have.
    samples : int
        Bootstrap samples, over speakers and over the sources of both parts.

    Returns
    -------
    pandas.DataFrame
        ``system``, ``noise``, ``heard`` and ``unheard`` (numbers of sources), ``difference``, ``low``, ``high``, ``p``,
        ``p_holm`` over all rows. Where either part has a single source nothing is tested: one recording says nothing
        about a kind of noise.
    """
    at_snr = predictions[predictions["level_kind"] == "snr"]
    heard, other = (at_snr[at_snr["noise_part"] == part] for part in ("train", "test"))
    shared = ["system", "noise", "level", "utterance"]
    pairs = heard[shared].drop_duplicates().merge(other[shared].drop_duplicates())
    cells = pd.concat([heard, other]).merge(pairs, on=shared)
    scores = resampled(cells, [*CELLS, "noise_part"], samples=samples, sources=True)
    rows = []
    for (system, noise), own in cells.groupby(["system", "noise"], sort=False):
        parts = {part: area_weights(scores, system=system, noise=noise, noise_part=part) for part in ("train", "test")}
        numbers = [number_of_sources(own[own["noise_part"] == part]) for part in parts]
        found = scores.tested(parts["train"] - parts["test"])
        if min(numbers) < 2:
            found["p"] = np.nan
        rows.append({"system": system, "noise": noise, "heard": numbers[0], "unheard": numbers[1], **found})
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=holm(frame["p"]))


class UnheardTypes:
    """UAR under what training never has, all levels together, beside clean speech and the types of training.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`. The recorded types of training stand together, at the same decibels as the unheard ones;
        all rows are of the same utterances.
    samples : int
        Bootstrap samples, over speakers and over the sources of each noise.
    """

    def __init__(self, predictions: pd.DataFrame, samples: int = 1000) -> None:
        new = predictions[predictions["noise_part"] == UNHEARD]
        here = predictions[predictions["utterance"].isin(set(new["utterance"])) & (predictions["noise_part"] == "test")]
        at_levels = (here["level_kind"] == "snr") & here["level"].isin(new.loc[new["level_kind"] == "snr", "level"])
        kinds = [
            here[here["condition"] == "clean"].assign(kind="clean"),
            here[at_levels & ~here["noise"].isin(MADE)].assign(kind=HEARD),
            new.assign(kind=new["noise"]),
        ]
        cells = pd.concat(kinds)
        self.scores = resampled(cells, ["system", "kind"], samples=samples, sources=True)
        self.sources = {kind: number_of_sources(rows) for kind, rows in cells.groupby("kind", sort=False)}

    def table(self) -> pd.DataFrame:
        """A row a system and kind.

        Returns
        -------
        pandas.DataFrame
            ``system``, ``kind``, ``recall`` (UAR), ``uar_low``, ``uar_high``, ``sources``, then what is lost against
            clean speech: ``less clean``, ``low``, ``high``, ``speakers``, ``p_holm`` (NaN for a single source); NaN for
            clean speech.
        """
        found, rows = self.scores.table().rename(columns={"score": "recall", "low": "uar_low", "high": "uar_high"}), []
        for system, kind in self.scores.groups.itertuples(index=False):
            lost = self.scores.tested(self._of(system, kind) - self._of(system, "clean")) if kind != "clean" else {}
            lost |= {"p": np.nan} if self.sources[kind] == 1 else {}
            rows.append({"sources": self.sources[kind], **lost})
        found = found.join(pd.DataFrame(rows).rename(columns={"difference": "less clean"}))
        return found.assign(p_holm=holm(found["p"])).drop(columns="p")

    def ranks(self, system: str) -> pd.DataFrame:
        """Ranks (1 is what it does best in) that each unheard kind may have; see :meth:`Axis.noise_ranks`."""
        several = [kind for kind, number in self.sources.items() if number != 1 and kind not in ("clean", HEARD)]
        return ranks(several, every_pair(self.scores, {kind: self._of(system, kind) for kind in several}))

    def _of(self, system: str, kind: str) -> np.ndarray:
        return self.scores.where(system=system, kind=kind)
