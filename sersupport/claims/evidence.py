"""Claims, and what their verdicts rest on: printed tables, definitions, and the artefacts of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.verdicts import NOT_TESTABLE
from sersupport.core.errors import Missing
from sersupport.recipes.bank import ENVIRONMENTS

PRINT = "print"  # source of what is recomputed from printed numbers and definitions
CLEAN, LADDER, GRID = "05_training/predictions", "05_training/ladder", "06_robustness/predictions"
ABLATION, SPEED = "07_ablation/ablation", "07_ablation/speed"
DELETION, ENERGY, ADDITIVITY, SHAP = (f"08_xai/{name}" for name in ("explanations", "energy", "additivity", "shap"))
RELATED, COEFFICIENT = "09_related_systems/predictions", "09_related_systems/coefficient"
LATER = (RELATED, COEFFICIENT)  # no notebook writes them yet
ARTEFACTS = (CLEAN, LADDER, GRID, ABLATION, SPEED, DELETION, ENERGY, ADDITIVITY, SHAP, *LATER)
SOURCES = {"clean": CLEAN, "noisy": GRID, "grid": GRID}  # artefact by kind of speech


class Absent(LookupError):
    """What a test needs is not in this run, which makes its claim not testable here.

    Parameters
    ----------
    source : str
        Artefact that is lacking, or in which something is.
    what : str
        What is lacking in it; nothing where the whole artefact is.
    """

    def __init__(self, source: str, what: str = "") -> None:
        lacks = "no notebook writes yet" if source in LATER else "this run does not have"
        super().__init__(f"needs {what and f'{what} in '}`{source}`, which {lacks}")
        self.source = source


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    evidence : str
        In words, with its numbers.
    verdict : str
        One of :data:`sersupport.claims.verdicts.VERDICTS`.
    source : str
        Artefact that it rests on or, where it is not testable, would rest on; or :data:`PRINT`.
    low, high : float
        Interval of the measured quantity, NaN where nothing was measured.
    """

    evidence: str
    verdict: str
    source: str
    low: float = float("nan")
    high: float = float("nan")


Check = Callable[["Evidence"], Finding]


@dataclass(frozen=True)
class Claim:
    """A numeric or causal claim.

    Attributes
    ----------
    paper, id, place : str
        arXiv id; short name; where it is printed.
    text : str
        The claim in our words.
    test : str
        What would test it.
    check : callable
        Takes :class:`Evidence`, returns a :class:`Finding` or raises :class:`Absent`.
    """

    paper: str
    id: str
    place: str
    text: str
    test: str
    check: Check

    def judged(self, evidence: Evidence) -> Finding:
        """What the check finds; "not testable here" where it lacks something."""
        try:
            return self.check(evidence)
        except Absent as absent:
            return Finding(str(absent), NOT_TESTABLE, absent.source)


def written(checks: Mapping[str, Check]) -> Iterator[Claim]:
    """Claims whose words stand in the table of claims, by their names there."""
    rows = facts.table("claims").set_index("id")
    for id, check in checks.items():
        paper, place, text, test = rows.loc[id, ["paper", "place", "claim", "test"]]
        yield Claim(paper.removeprefix("arXiv:"), id, place, text, test, check)


class Evidence:
    """The printed tables and one run's artefacts.

    Parameters
    ----------
    load : callable
        Takes an artefact's name, one of :data:`ARTEFACTS`; returns it, or raises Missing where the run has none. Any
        other error is let through: only what is not there makes a claim not testable.
    profile : str
        Of the run, for the command.
    synthetic : bool
        Whether the run's speech is the embedded corpus, which can neither confirm nor refute a score on recordings.
    samples : int
        Bootstrap samples of intervals.
    """

    def __init__(self, load: Callable[[str], Any], profile: str, synthetic: bool, samples: int = 1000) -> None:
        @cache
        def looked_up(name: str) -> Any:  # once, also where there is none
            try:
                return load(name)
            except Missing:
                return None

        self._looked_up = looked_up
        self.profile, self.synthetic, self.samples = profile, synthetic, samples

    def artefact(self, name: str) -> Any:
        """An artefact, read once.

        Raises
        ------
        Absent
            If the run has none.
        ValueError
            If it is not among :data:`ARTEFACTS`.
        """
        if name not in ARTEFACTS:
            raise ValueError(f"{name} is not among the artefacts that the ledger may look at")
        value = self._looked_up(name)
        if value is None:
            raise Absent(name)
        return value

    @cached_property
    def table4(self) -> pd.DataFrame:
        """Table IV by corpus."""
        return facts.table("2512.18298-table4-clean").set_index("corpus")

    @cached_property
    def table5(self) -> pd.DataFrame:
        """Table V by noise and λ."""
        return facts.table("2512.18298-table5-robustness").set_index(["noise", "lambda"])

    @cached_property
    def table6(self) -> pd.DataFrame:
        """Table VI by row."""
        return facts.table("2512.18298-table6-ablation").set_index("row")

    def unheard(self, axis: str) -> pd.DataFrame:
        """Predictions of rows A to D in noise on one axis ("lambda", "snr"), from sources that training did not use."""
        grid = self.artefact(GRID)
        rows = grid[(grid["level_kind"] == axis) & (grid["noise_part"] == "test")]
        if rows.empty:
            raise Absent(GRID, f"the grid on the {axis} axis")
        return rows

    def speech(self, kind: str) -> pd.DataFrame:
        """Predictions of rows A to D on unheard speakers.

        Parameters
        ----------
        kind : {"clean", "grid", "noisy"}
            Clean test speech; noise at the λ of Table V, from unheard sources; the environmental ones of these.
        """
        if kind == "clean":
            return self.artefact(CLEAN)
        grid = self.unheard("lambda")
        return grid[grid["noise"].isin(ENVIRONMENTS)] if kind == "noisy" else grid
