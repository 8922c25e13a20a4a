"""Claims, and what their verdicts rest on: printed tables, definitions, and the artefacts of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.verdicts import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, UNDECIDED
from sersupport.core.errors import Missing
from sersupport.corpora.conventions import CORPORA, title
from sersupport.evaluation import SIGNIFICANT
from sersupport.recipes.bank import ENVIRONMENTS

PRINT = "print"  # source of what is recomputed from printed numbers and definitions
CODE = "published code"  # of what is recomputed from the numbers in the authors' executed notebooks
ENCODER, GRID = "04_model/encoder", "06_robustness/predictions"
CLEAN, LADDER = "05_training/predictions", "05_training/ladder"
PROBED = "05_training/ladder_probe"  # the ladder of the linear probe
ABLATION, SPEED = "07_ablation/ablation", "07_ablation/speed"
FINETUNED = "11_encoders/finetuned"
DELETION, ENERGY, SHAP = "08_xai/explanations", "08_xai/energy", "08_xai/shap"
RELATED, RELATED_ABLATION = "09_related_systems/predictions", "09_related_systems/ablation"
CURVE, GRID_RELATED = "09_related_systems/curve", "09_related_systems/grid"
ESTIMATES = "09_related_systems/estimates"
ARTEFACTS = (
    ENCODER, CLEAN, LADDER, PROBED, GRID, ABLATION, SPEED, DELETION, ENERGY, SHAP, FINETUNED,
    RELATED, RELATED_ABLATION, CURVE, GRID_RELATED, ESTIMATES,
)  # fmt: skip
KEY_OF = {corpus.title: name for name, corpus in CORPORA.items()}
SOURCES = {"clean": CLEAN, "noisy": GRID, "loud": GRID, "grid": GRID}  # artefact by kind of speech
PRINTED_MFCC = 40  # K of equation 28 of arXiv 2512.18298


def share_of_filters(width: float) -> str:
    """A width as a share of the published filters, such as "1/16"."""
    return str(Fraction(width).limit_denominator(64))


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
        super().__init__(f"needs {what and f'{what} in '}{source}, which this run does not have")
        self.source = source


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    evidence : str
        In words, with its numbers.
    source : str
        Artefact that it rests on or, where it is not testable, would rest on; or :data:`PRINT` or :data:`CODE`.
    verdict : str or None
        One of :data:`sersupport.claims.verdicts.VERDICTS`; None where it depends on p, which has to be corrected first
        for the claims that are tested beside this one.
    low, high : float
        Interval (95 %) of the measured quantity, NaN where nothing was measured.
    p : float
        Two-sided, of what lies on either side of the claim's threshold; NaN where there is a verdict.
    favours : bool
        Whether the measured quantity lies on the claim's side.
    """

    evidence: str
    source: str
    verdict: str | None = None
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    favours: bool = False

    def decided(self, p_holm: float) -> str:
        """The verdict, given p as corrected within the claim's family."""
        if self.verdict is not None:
            return self.verdict
        if not p_holm < SIGNIFICANT:
            return UNDECIDED
        return REPRODUCED if self.favours else NOT_REPRODUCED


Check = Callable[["Evidence"], Finding]


@dataclass(frozen=True)
class Claim:
    """A numeric or causal claim.

    Attributes
    ----------
    paper, id, place : str
        arXiv id; short name; where it is printed.
    weight : str
        "central", or "minor": the paper would stand without it.
    family : str
        Claims whose p values are corrected together; "" for one that stands alone.
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
    weight: str
    family: str
    text: str
    test: str
    check: Check

    def found(self, evidence: Evidence) -> Finding:
        """What the check finds; "not testable here" where it lacks something."""
        try:
            return self.check(evidence)
        except Absent as absent:
            return Finding(str(absent), absent.source, NOT_TESTABLE)


def written(checks: Mapping[str, Check]) -> tuple[Claim, ...]:
    """Claims by their names in the table of claims, which has their words."""
    rows = facts.table("claims").fillna("").set_index("id")
    columns = ["place", "weight", "family", "claim", "test"]
    return tuple(
        Claim(rows.loc[id, "paper"].removeprefix("arXiv:"), id, *rows.loc[id, columns], check)
        for id, check in checks.items()
    )


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

    def differences(self, every_corpus: bool = True, tuned: bool = False) -> list[str]:
        """In what this run's setting differs from that of arXiv 2512.18298, as far as that is printed.

        Parameters
        ----------
        every_corpus : bool
            Whether the corpora that are not there count: for a score of each alone they do not.
        tuned : bool
            Whether settings were chosen about the run's own.
        """
        own, corpora = self.artefact(ENCODER), set(self.artefact(CLEAN)["corpus"])
        found = [] if own["name"].endswith("wav2vec2-base") else [f"encoder {own['name']} in place of Wav2Vec 2.0 base"]
        found += ["encoder frozen"] * own["frozen"]
        filters = f"{share_of_filters(own['cnn_width'])} of the filters{', tuned about it' * tuned}"
        found += [filters] * (own["cnn_width"] != 1)
        found += [f"{own['n_mfcc']} MFCC in place of {PRINTED_MFCC}"] * (own["n_mfcc"] != PRINTED_MFCC)
        missing = [title(name) for name in self.table4.index.map(KEY_OF) if name not in corpora]
        return found + [f"without {', '.join(missing)}"] * bool(missing and every_corpus)

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
        kind : {"clean", "grid", "noisy", "loud"}
            Clean test speech; noise at the λ of Table V, from unheard sources; the environmental ones of these; these
            at the highest λ.
        """
        if kind == "clean":
            return self.artefact(CLEAN)
        grid = self.unheard("lambda")
        if kind == "grid":
            return grid
        noisy = grid[grid["noise"].isin(ENVIRONMENTS)]
        return noisy[noisy["level"] == noisy["level"].max()] if kind == "loud" else noisy
