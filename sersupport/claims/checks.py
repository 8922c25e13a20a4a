"""How claims are tested: against the papers' own printed numbers, or against what a run has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sersupport.claims.evidence import CLEAN, GRID, LADDER, PRINT, SOURCES, Absent, Check, Evidence, Finding
from sersupport.claims.verdicts import CONTRADICTED, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from sersupport.corpora.conventions import CORPORA
from sersupport.evaluation.intervals import contrast, difference, speaker_interval, unshared
from sersupport.evaluation.metrics import METRICS, confusion

Statement = Callable[[Any], tuple[bool, str]]  # whether it holds, and the numbers in words
Rows = Callable[[Evidence], pd.DataFrame]


def above(low: float, high: float) -> bool:
    """Whether an interval lies above zero."""
    return low > 0


def judged(
    evidence: Evidence, words: str, holds: bool, source: str, low: float = float("nan"), high: float = float("nan")
) -> Finding:
    """The verdict on something measured, unless the speech it was measured on is synthetic."""
    if evidence.synthetic:
        return Finding(f"{words}; on synthetic speech, which decides nothing", NOT_TESTABLE, source, low, high)
    return Finding(words, REPRODUCED if holds else NOT_REPRODUCED, source, low, high)


def over_speakers(evidence: Evidence, words: str, holds: bool, source: str, low: float, high: float) -> Finding:
    """The verdict on something whose interval is over speakers: a single one gives none, and decides nothing."""
    if np.isnan(low):
        return Finding(f"{words}; one speaker gives no interval", NOT_TESTABLE, source)
    return judged(evidence, words, holds, source, low, high)


# printed numbers ------------------------------------------------------------------------------------------------------


def prints(
    value: float,
    recompute: Callable[[Evidence], float],
    unit: str = "",
    tolerance: float | None = None,
    by: str = "recomputed",
) -> Check:
    """A printed number against what the printed tables or definitions give; by default to half its last digit.

    Parameters
    ----------
    value : float
        As printed.
    recompute : callable
        Gives the same number from :class:`Evidence`.
    unit : str
        Written behind both.
    tolerance : float, optional
        Half the last printed digit by default.
    by : str
        What the second number comes from, in words.
    """
    digits = len(f"{value!r}".partition(".")[2]) if isinstance(value, float) else 0
    slack = 0.5 * 10**-digits + 1e-9 if tolerance is None else tolerance

    def check(evidence: Evidence) -> Finding:
        found = float(recompute(evidence))
        words = f"printed {value:,}{unit}, {by} {found:,.{max(digits, 2) if found % 1 else 0}f}{unit}"
        return Finding(words, REPRODUCED if abs(found - value) <= slack else CONTRADICTED, PRINT)

    return check


def holds(statement: Statement) -> Check:
    """A statement about printed numbers or definitions, which the paper contradicts where it does not hold."""
    return _of_print(statement, CONTRADICTED)


def measured(statement: Statement) -> Check:
    """A statement about signals or models that need no recorded speech."""
    return _of_print(statement, NOT_REPRODUCED)


def _of_print(statement: Statement, otherwise: str) -> Check:
    def check(evidence: Evidence) -> Finding:
        true, words = statement(evidence)
        return Finding(words, REPRODUCED if true else otherwise, PRINT)

    return check


# scores of this run ---------------------------------------------------------------------------------------------------


def score(value_pct: float, source: str, metric: str = "accuracy", **where: Any) -> Check:
    """A printed score against the interval of ours over speakers that were never heard.

    Parameters
    ----------
    value_pct : float
        As printed.
    source : str
        Kind of speech (see :meth:`Evidence.speech`), or an artefact.
    metric : {"accuracy", "uar"}
        Which score.
    **where
        Columns of the predictions table and the values that select its rows.
    """
    name = SOURCES.get(source, source)

    def check(evidence: Evidence) -> Finding:
        rows = evidence.speech(source) if source in SOURCES else evidence.artefact(source)
        for column, value in where.items():
            rows = rows[rows[column] == value]
        if rows.empty:
            raise Absent(f"{_wanted(where)} in `{name}`", name)
        low, high, words = _interval(rows, evidence, metric)
        words += f", printed {value_pct:.2f} %{'' if np.isnan(low) else _leaky(evidence, rows)}"
        return over_speakers(evidence, words, low <= value_pct / 100 <= high, name, low, high)

    return check


def at_least(value_pct: float, select: Rows, where: str) -> Check:
    """An accuracy that is claimed to be no lower than a figure: does our interval reach it?"""

    def check(evidence: Evidence) -> Finding:
        rows = select(evidence)
        if rows.empty:
            raise Absent(f"{where} in `{GRID}`", GRID)
        low, high, words = _interval(rows, evidence, "accuracy")
        return over_speakers(evidence, f"{words} in {where}", high >= value_pct / 100, GRID, low, high)

    return check


def _wanted(where: Mapping[str, Any]) -> str:
    titles = {"corpus": lambda value: CORPORA[value].title if value in CORPORA else value}
    return ", ".join(f"{column} {titles.get(column, str)(value)}" for column, value in where.items())


def _interval(rows: pd.DataFrame, evidence: Evidence, metric: str) -> tuple[float, float, str]:
    """A score's interval over speakers, and both in words."""
    low, high = speaker_interval(rows, evidence.samples, metric=metric)
    value = 100 * float(METRICS[metric](confusion(rows)))
    words = f"{metric.replace('uar', 'UAR')} {value:.1f} % over {rows['speaker'].nunique()} unheard speakers"
    return low, high, words if np.isnan(low) else f"{words} (95 %: {100 * low:.1f} to {100 * high:.1f})"


def _leaky(evidence: Evidence, rows: pd.DataFrame) -> str:
    """What the same speech scores where rows are split at random, from the ladder of protocols."""
    condition = "clean" if (rows["condition"] == "clean").all() else "noisy"
    try:
        part = rung("row-random", condition)(evidence)
    except Absent:
        return ""
    part = part[part["corpus"].isin(rows["corpus"].unique())]
    accuracy = 100 * (part["true"] == part["predicted"]).mean()
    return "" if part.empty else f"; rows split at random, at the ladder's budget: {accuracy:.1f} %"


def rung(protocol: str, condition: str = "clean") -> Rows:
    """Predictions of one protocol of the ladder."""

    def select(evidence: Evidence) -> pd.DataFrame:
        ladder = evidence.artefact(LADDER)
        return ladder[(ladder["protocol"] == protocol) & (ladder["condition"] == condition)]

    return select


# differences ----------------------------------------------------------------------------------------------------------


def _gap(
    evidence: Evidence, gap: Mapping[str, float], words: str, source: str, expect: Callable[[float, float], bool]
) -> Finding:
    low, high = gap["low"], gap["high"]
    words = f"{words}: UAR {gap['difference']:+.3f} (95 %: {low:+.3f} to {high:+.3f})"
    return over_speakers(evidence, words, expect(low, high), source, low, high)


def _paired(
    evidence: Evidence, parts: Sequence[pd.DataFrame], weights: Sequence[int], words: str, what: str, source: str
) -> Finding:
    """A contrast that the claim expects above zero."""
    if any(part.empty for part in parts) or unshared(parts):
        raise Absent(f"{what}, of the same speakers, in `{source}`", source)
    return _gap(evidence, contrast(parts, weights, samples=evidence.samples), words, source, above)


def better(first: str, second: str, speech: str, source: str | None = None) -> Check:
    """One system scores a higher UAR than another on the same speakers, its interval above zero.

    Parameters
    ----------
    first, second : str
        Systems.
    speech : {"clean", "noisy"}
    source : str, optional
        Artefact of both; by default that of rows A to D on such speech.
    """

    def check(evidence: Evidence) -> Finding:
        if source is None:
            rows = evidence.speech(speech)
        else:
            rows = evidence.artefact(source)
            rows = rows[(rows["condition"] == "clean") == (speech == "clean")]
        parts = [rows[rows["system"] == name] for name in (first, second)]
        what = f"systems {first} and {second} on {speech} speech"
        return _paired(evidence, parts, [1, -1], f"{first} − {second}, {speech}", what, source or SOURCES[speech])

    return check


def falls_less(first: str, second: str) -> Check:
    """One row's UAR falls less from clean to noisy speech than another's: paired over speakers."""

    def check(evidence: Evidence) -> Finding:
        parts = [evidence.speech(kind) for kind in ("clean", "noisy")]
        falls = [part[part["system"] == row] for row in (second, first) for part in parts]
        what = f"rows {first} and {second} on clean (`{CLEAN}`) and noisy speech"
        return _paired(evidence, falls, [1, -1, -1, 1], f"fall of {second} − fall of {first}", what, GRID)

    return check


def difference_of(
    first: Rows, second: Rows, words: str, source: str, expect: Callable[[float, float], bool] = above
) -> Check:
    """The difference of two sets of predictions, and whether its interval is as the claim expects."""

    def check(evidence: Evidence) -> Finding:
        parts = [select(evidence) for select in (first, second)]
        if any(part.empty for part in parts):
            raise Absent(f"both sides of {words} in `{source}`", source)
        return _gap(evidence, difference(*parts, samples=evidence.samples), words, source, expect)

    return check


# other artefacts ------------------------------------------------------------------------------------------------------


def found(artefact: str, statement: Statement) -> Check:
    """A statement about one artefact of this run; it raises :class:`Absent` where that lacks what it needs."""

    def check(evidence: Evidence) -> Finding:
        table = evidence.artefact(artefact)
        if table.empty:
            raise Absent(f"rows in `{artefact}`", artefact)
        true, words = statement(table)
        return judged(evidence, words, true, artefact)

    return check


def mean_of(
    artefact: str, values: Callable[[Any], pd.Series], words: str, expect: Callable[[float, float], bool]
) -> Check:
    """The mean over explained clips of some quantity, with Student's interval, and whether it is as claimed."""

    def check(evidence: Evidence) -> Finding:
        series = values(evidence.artefact(artefact)).dropna()
        if len(series) < 2:
            raise Absent(f"{words} on two clips or more in `{artefact}`", artefact)
        half = stats.t.ppf(0.975, len(series) - 1) * stats.sem(series)
        low, high = series.mean() - half, series.mean() + half
        text = f"{words}: {series.mean():+.3f} over {len(series)} clips (95 %: {low:+.3f} to {high:+.3f})"
        return judged(evidence, text, expect(low, high), artefact, low, high)

    return check


def ranking(axis: str, claim: str, place: str) -> Check:
    """The noise that hurts most ("hardest") or least ("easiest") by mean accuracy over the levels of an axis."""

    def check(evidence: Evidence) -> Finding:
        rows = evidence.unheard(axis)
        rows = rows[rows["system"] == "D"]
        if rows.empty:
            raise Absent(f"row D on the {axis} axis in `{GRID}`", GRID)
        means = (rows["true"] == rows["predicted"]).groupby(rows["noise"]).mean()
        found = means.idxmin() if place == "hardest" else means.idxmax()
        listed = ", ".join(f"{name.replace('_', ' ')} {100 * value:.1f}" for name, value in means.sort_values().items())
        words = f"{place} at equal {'λ' if axis == 'lambda' else 'SNR'} is {found.replace('_', ' ')} (%: {listed})"
        return judged(evidence, words, found == claim, GRID)

    return check
