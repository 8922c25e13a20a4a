"""How claims are tested: against the papers' own printed numbers, or against what this run has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sersupport import evaluation, facts
from sersupport.corpora import CORPORA
from sersupport.noise import ENVIRONMENTS

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
CONTRADICTED = "contradicted by the paper's own numbers"
NOT_TESTABLE = "not testable here"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, CONTRADICTED, NOT_TESTABLE)
CLEAN, GRID = "05_training/predictions", "06_robustness/predictions"
SOURCES = {"clean": CLEAN, "noisy": GRID, "grid": GRID}  # artefact by kind of speech
PRINTED = "facts"  # source of what is recomputed from printed numbers


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    evidence : str
        In words, with its numbers.
    verdict : str
        One of :data:`VERDICTS`.
    low, high : float
        Interval of the measured quantity, NaN where nothing was measured.
    source : str
        Artefact it rests on, or :data:`PRINTED`.
    """

    evidence: str
    verdict: str
    low: float = float("nan")
    high: float = float("nan")
    source: str = PRINTED


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
        Takes :class:`Evidence`, returns a :class:`Finding`.
    """

    paper: str
    id: str
    place: str
    text: str
    test: str
    check: Check


class Evidence:
    """The printed tables and one run's artefacts.

    Parameters
    ----------
    load : callable
        Takes an artefact's name, returns it, or None where the run has none.
    profile : str
        Of the run, for the command.
    synthetic : bool
        Whether the run's speech is the embedded corpus, which can neither confirm nor refute a score on recordings.
    samples : int
        Bootstrap samples of intervals.
    """

    def __init__(self, load: Callable[[str], Any], profile: str, synthetic: bool, samples: int = 1000) -> None:
        self._load = load
        self._known: dict[str, Any] = {}
        self.profile, self.synthetic, self.samples = profile, synthetic, samples

    def artefact(self, name: str) -> Any:
        """An artefact, read once, or None."""
        if name not in self._known:
            self._known[name] = self._load(name)
        return self._known[name]

    def command(self, source: str) -> str:
        """How to get what a finding rests on."""
        if source == PRINTED:
            return "python -c 'from sersupport import facts; print(facts.names())'"
        return f"sersupport report --profile {self.profile}  # {source}"

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

    def clean(self) -> pd.DataFrame | None:
        """Predictions of rows A to D on clean test speech."""
        return self.artefact(CLEAN)

    def noisy(self) -> pd.DataFrame | None:
        """Predictions at the λ of Table V, with noise sources that training did not use."""
        grid = self.artefact(GRID)
        if grid is None:
            return None
        unseen = grid["noise_part"] == "test" if "noise_part" in grid else True
        return grid[(grid["level_kind"] == "lambda") & unseen]

    def speech(self, kind: str) -> pd.DataFrame | None:
        """Clean test speech, or "noisy": the environmental noises of :meth:`noisy` together."""
        if kind == "clean":
            return self.clean()
        grid = self.noisy()
        return None if grid is None else grid[grid["noise"].isin(ENVIRONMENTS)]


def absent(what: str) -> Finding:
    """Not testable: something that the test needs is not in this run."""
    return Finding(f"needs {what}, which this run does not have", NOT_TESTABLE)


def judged(evidence: Evidence, words: str, holds: bool, low: float, high: float, source: str) -> Finding:
    """The verdict on something measured, unless the speech it was measured on is synthetic."""
    if evidence.synthetic:
        return Finding(f"{words}; on synthetic speech, which decides nothing", NOT_TESTABLE, low, high, source)
    return Finding(words, REPRODUCED if holds else NOT_REPRODUCED, low, high, source)


def over_speakers(evidence: Evidence, words: str, holds: bool, low: float, high: float, source: str) -> Finding:
    """The verdict on something whose interval is over speakers: a single one gives none, and decides nothing."""
    if np.isnan(low):
        return Finding(f"{words}; one speaker gives no interval", NOT_TESTABLE, source=source)
    return judged(evidence, words, holds, low, high, source)


# printed numbers ------------------------------------------------------------------------------------------------------


def prints(
    value: float, recompute: Callable[[Evidence], float], unit: str = "", tolerance: float | None = None
) -> Check:
    """A printed number against what the printed tables or definitions give; by default to half its last digit."""
    digits = len(f"{value!r}".partition(".")[2]) if isinstance(value, float) else 0
    slack = 0.5 * 10**-digits + 1e-9 if tolerance is None else tolerance

    def check(evidence: Evidence) -> Finding:
        found = float(recompute(evidence))
        words = f"printed {value:,}{unit}, recomputed {found:,.{max(digits, 2) if found % 1 else 0}f}{unit}"
        return Finding(words, REPRODUCED if abs(found - value) <= slack else CONTRADICTED)

    return check


def holds(statement: Callable[[Evidence], tuple[bool, str]]) -> Check:
    """A statement about printed numbers or definitions; it returns whether it holds, and the numbers in words."""

    def check(evidence: Evidence) -> Finding:
        true, words = statement(evidence)
        return Finding(words, REPRODUCED if true else CONTRADICTED)

    return check


def measured(statement: Callable[[Evidence], tuple[bool, str]]) -> Check:
    """A statement about signals or models that need no recorded speech."""

    def check(evidence: Evidence) -> Finding:
        true, words = statement(evidence)
        return Finding(words, REPRODUCED if true else NOT_REPRODUCED)

    return check


# scores of this run ---------------------------------------------------------------------------------------------------


def _select(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    for column, value in where.items():
        frame = frame[frame[column] == value] if column in frame else frame.iloc[:0]
    return frame


def score(value_pct: float, source: str, metric: str = "accuracy", **where: Any) -> Check:
    """A printed score against the interval of ours over speakers that were never heard.

    Parameters
    ----------
    value_pct : float
        As printed.
    source : str
        "clean" or "noisy" (see :meth:`Evidence.speech`), "grid" (:meth:`Evidence.noisy`), or an artefact.
    metric : {"accuracy", "uar"}
        Which score.
    **where
        Columns of the predictions table and the values that select its rows.
    """

    def check(evidence: Evidence) -> Finding:
        name = SOURCES.get(source, source)
        if source == "grid":
            rows = evidence.noisy()
        else:
            rows = evidence.artefact(source) if "/" in source else evidence.speech(source)
        if rows is None:
            return absent(f"`{name}`")
        rows = _select(rows, where)
        if rows.empty:
            return absent(_wanted(where))
        low, high, words = _interval(rows, evidence, metric)
        words += f", printed {value_pct:.2f} %{'' if np.isnan(low) else _leaky(evidence, rows)}"
        return over_speakers(evidence, words, low <= value_pct / 100 <= high, low, high, name)

    return check


def _interval(rows: pd.DataFrame, evidence: Evidence, metric: str) -> tuple[float, float, str]:
    """A score's interval over speakers, and both in words."""
    low, high = evaluation.speaker_interval(rows, evidence.samples, metric=metric)
    value = 100 * float(evaluation.METRICS[metric](evaluation.confusion(rows)))
    words = f"{metric.replace('uar', 'UAR')} {value:.1f} % over {rows['speaker'].nunique()} unheard speakers"
    return low, high, words if np.isnan(low) else f"{words} (95 %: {100 * low:.1f} to {100 * high:.1f})"


def at_least(value_pct: float, select: Callable[[Evidence], pd.DataFrame | None], where: str) -> Check:
    """An accuracy that is claimed to be no lower than a figure: does our interval reach it?"""

    def check(evidence: Evidence) -> Finding:
        rows = select(evidence)
        if rows is None or rows.empty:
            return absent(where)
        low, high, words = _interval(rows, evidence, "accuracy")
        return over_speakers(evidence, f"{words} in {where}", high >= value_pct / 100, low, high, GRID)

    return check


def falls_less(first: str, second: str) -> Check:
    """One row's UAR falls less from clean to noisy speech than another's: paired over speakers."""

    def check(evidence: Evidence) -> Finding:
        parts = [evidence.speech(kind) for kind in ("clean", "noisy")]
        if any(part is None or not {first, second} <= set(part["system"]) for part in parts):
            return absent(f"rows {first} and {second} on clean and noisy speech")
        falls = [part[part["system"] == row] for row in (second, first) for part in parts]
        gap = evaluation.contrast(falls, [1, -1, -1, 1], samples=evidence.samples)
        words = f"fall of {second} − fall of {first}: {_gap(gap)}"
        return over_speakers(evidence, words, gap["low"] > 0, gap["low"], gap["high"], GRID)

    return check


def found(artefact: str, statement: Callable[[Any], tuple[bool, str] | None]) -> Check:
    """A statement about one artefact of this run; None where that lacks what it needs."""

    def check(evidence: Evidence) -> Finding:
        table = evidence.artefact(artefact)
        outcome = None if table is None else statement(table)
        if outcome is None:
            return absent(f"`{artefact}`, or a part of it,")
        true, words = outcome
        return judged(evidence, words, true, float("nan"), float("nan"), artefact)

    return check


def _wanted(where: Mapping[str, Any]) -> str:
    titles = {"corpus": lambda value: CORPORA[value].title if value in CORPORA else value}
    return ", ".join(f"{column} {titles.get(column, str)(value)}" for column, value in where.items())


def _leaky(evidence: Evidence, rows: pd.DataFrame) -> str:
    """What the same speech scores where rows are split at random, from the ladder of protocols."""
    ladder = evidence.artefact("05_training/ladder")
    if ladder is None:
        return ""
    variant = "clean" if (rows["condition"] == "clean").all() else "noisy"
    part = ladder[(ladder["protocol"] == "row-random") & (ladder["variant"] == variant)]
    part = part[part["corpus"].isin(rows["corpus"].unique())]
    if part.empty:
        return ""
    accuracy = 100 * (part["true"] == part["predicted"]).mean()
    return f"; rows split at random, at the ladder's budget: {accuracy:.1f} %"


def _gap(gap: Mapping[str, float]) -> str:
    return f"UAR {gap['difference']:+.3f} (95 %: {gap['low']:+.3f} to {gap['high']:+.3f})"


def better(first: str, second: str, speech: str, source: str | None = None) -> Check:
    """One system scores a higher UAR than another on the same speakers, its interval above zero."""

    def check(evidence: Evidence) -> Finding:
        rows = evidence.speech(speech) if source is None else _of_speech(evidence.artefact(source), speech)
        if rows is None or not {first, second} <= set(rows["system"]):
            return absent(f"systems {first} and {second} on {speech} speech")
        gap = evaluation.paired_difference(rows, first, second, samples=evidence.samples)
        words = f"{first} − {second}, {speech}: {_gap(gap)}"
        return over_speakers(evidence, words, gap["low"] > 0, gap["low"], gap["high"], source or SOURCES[speech])

    return check


def _of_speech(rows: pd.DataFrame | None, speech: str) -> pd.DataFrame | None:
    return rows if rows is None else rows[(rows["condition"] == "clean") == (speech == "clean")]


def difference_of(
    first: Callable[[Evidence], pd.DataFrame | None],
    second: Callable[[Evidence], pd.DataFrame | None],
    words: str,
    source: str,
    expect: Callable[[float, float], bool] = lambda low, high: low > 0,
) -> Check:
    """The difference of two sets of predictions, and whether its interval is as the claim expects."""

    def check(evidence: Evidence) -> Finding:
        parts = [select(evidence) for select in (first, second)]
        if any(part is None or part.empty for part in parts):
            return absent(f"both sides of: {words}")
        gap = evaluation.difference(*parts, samples=evidence.samples)
        text = f"{words}: {_gap(gap)}"
        return over_speakers(evidence, text, expect(gap["low"], gap["high"]), gap["low"], gap["high"], source)

    return check


def mean_of(
    artefact: str, values: Callable[[Any], pd.Series], words: str, expect: Callable[[float, float], bool]
) -> Check:
    """The mean over explained clips of some quantity, with Student's interval, and whether it is as claimed."""

    def check(evidence: Evidence) -> Finding:
        table = evidence.artefact(artefact)
        series = None if table is None else values(table).dropna()
        if series is None or len(series) < 2:
            return absent(f"`{artefact}`")
        half = stats.t.ppf(0.975, len(series) - 1) * stats.sem(series)
        low, high = series.mean() - half, series.mean() + half
        text = f"{words}: {series.mean():+.3f} over {len(series)} clips (95 %: {low:+.3f} to {high:+.3f})"
        return judged(evidence, text, expect(low, high), low, high, artefact)

    return check


def ranking(axis: str, claim: str, place: str) -> Check:
    """The noise that hurts most ("hardest") or least ("easiest") by mean accuracy over the levels of an axis."""

    def check(evidence: Evidence) -> Finding:
        grid = evidence.artefact("06_robustness/predictions")
        if grid is None or "noise_part" not in grid or not (grid["level_kind"] == axis).any():
            return absent(f"the grid on the {axis} axis")
        rows = grid[(grid["level_kind"] == axis) & (grid["noise_part"] == "test") & (grid["system"] == "D")]
        means = rows.groupby("noise")[["true", "predicted"]].apply(
            lambda part: (part["true"] == part["predicted"]).mean()
        )
        found = means.idxmin() if place == "hardest" else means.idxmax()
        listed = ", ".join(f"{name.replace('_', ' ')} {100 * value:.1f}" for name, value in means.sort_values().items())
        words = f"{place} at equal {'λ' if axis == 'lambda' else 'SNR'} is {found.replace('_', ' ')} (%: {listed})"
        return judged(evidence, words, found == claim, float("nan"), float("nan"), "06_robustness/predictions")

    return check
