"""Systems in noise on one axis of levels: what each keeps in each noise, and what is told apart."""

import numpy as np
import pandas as pd

from sersupport.evaluation.curves import area_weights, retained_weights
from sersupport.evaluation.paired import holm
from sersupport.evaluation.ranking import every_pair, ranks
from sersupport.evaluation.resampling import resampled
from sersupport.evaluation.tables import number_of_sources

CELLS = ("system", "noise", "level")
TOGETHER = "all noises"


class Axis:
    """One axis of levels, λ or decibels: every system, in every noise at every level, and clean.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`sersupport.studies.robustness.on_grids`; the sources that training never used are looked at.
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
        self.sources = {noise: number_of_sources(rows) for noise, rows in noisy.groupby("noise", sort=False)}
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

    def ranks(self, system: str) -> pd.DataFrame:
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
