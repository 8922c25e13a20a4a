"""How claims are tested: against the papers' own printed numbers, or against what a run has measured."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sersupport.claims.evidence import CLEAN, GRID, LADDER, PRINT, RELATED, SOURCES, Absent, Check, Evidence, Finding
from sersupport.claims.verdicts import CONTRADICTED, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from sersupport.corpora.conventions import CORPORA
from sersupport.evaluation.intervals import contrast, difference, speaker_interval, unshared
from sersupport.evaluation.metrics import METRICS, confusion
from sersupport.evaluation.paired import nested

Statement = Callable[..., tuple[bool, str]]  # whether it holds, and the numbers in words
Rows = Callable[[Evidence], pd.DataFrame]
Number = Callable[[Evidence], float]
Expectation = Callable[[float, float], bool]  # of an interval


def deferred(test: Callable[..., Any]) -> Callable[..., Callable[[Evidence], Any]]:
    """A function of evidence and values, made one of the values that takes the evidence afterwards."""

    @wraps(test)
    def given(*values: Any, **named: Any) -> Callable[[Evidence], Any]:
        return lambda evidence: test(evidence, *values, **named)

    return given


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


@deferred
def prints(
    evidence: Evidence, value: float, compute: Number, unit: str = "", tol: float | None = None, by: str = "recomputed"
) -> Finding:
    """A printed number against what the printed tables or definitions give; by default to half its last digit.

    Parameters
    ----------
    value : float
        As printed.
    compute : callable
        Gives the same number from :class:`Evidence`.
    unit : str
        Written behind both.
    tol : float, optional
        Half the last printed digit by default.
    by : str
        What the second number comes from, in words.
    """
    digits = len(f"{value!r}".partition(".")[2]) if isinstance(value, float) else 0
    slack = 0.5 * 10**-digits + 1e-9 if tol is None else tol
    found = float(compute(evidence))
    words = f"printed {value:,}{unit}, {by} {found:,.{max(digits, 2) if found % 1 else 0}f}{unit}"
    return Finding(words, REPRODUCED if abs(found - value) <= slack else CONTRADICTED, PRINT)


@deferred
def holds(evidence: Evidence, statement: Statement, *values: Any) -> Finding:
    """A statement about printed numbers or definitions, which the paper contradicts where it does not hold."""
    true, words = statement(evidence, *values)
    return Finding(words, REPRODUCED if true else CONTRADICTED, PRINT)


@deferred
def measured(evidence: Evidence, statement: Statement, *values: Any) -> Finding:
    """A statement about signals or models that need no recorded speech."""
    true, words = statement(evidence, *values)
    return Finding(words, REPRODUCED if true else NOT_REPRODUCED, PRINT)


# scores of this run ---------------------------------------------------------------------------------------------------


@deferred
def score(evidence: Evidence, value_pct: float, source: str, metric: str = "accuracy", **where: Any) -> Finding:
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
    rows = evidence.speech(source) if source in SOURCES else evidence.artefact(source)
    for column, value in where.items():
        rows = rows[rows[column] == value]
    if rows.empty:
        wanted = (f"{column} {CORPORA[value].title if value in CORPORA else value}" for column, value in where.items())
        raise Absent(name, ", ".join(wanted))
    low, high, words = _interval(rows, evidence, metric)
    words += f", printed {value_pct:.2f} %{'' if np.isnan(low) else _leaky(evidence, rows)}"
    return over_speakers(evidence, words, low <= value_pct / 100 <= high, name, low, high)


@deferred
def at_least(evidence: Evidence, value_pct: float, select: Rows, where: str) -> Finding:
    """An accuracy that is claimed to be no lower than a figure: does our interval reach it?"""
    rows = select(evidence)
    if rows.empty:
        raise Absent(GRID, where)
    low, high, words = _interval(rows, evidence, "accuracy")
    return over_speakers(evidence, f"{words} in {where}", high >= value_pct / 100, GRID, low, high)


def _interval(rows: pd.DataFrame, evidence: Evidence, metric: str) -> tuple[float, float, str]:
    """A score's interval over speakers, and both in words."""
    low, high = speaker_interval(rows, evidence.samples, metric=metric)
    value = 100 * float(METRICS[metric](confusion(rows).to_numpy()))
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


@deferred
def rung(evidence: Evidence, protocol: str, condition: str = "clean") -> pd.DataFrame:
    """Predictions of one protocol of the ladder."""
    ladder = evidence.artefact(LADDER)
    return ladder[(ladder["protocol"] == protocol) & (ladder["condition"] == condition)]


# differences ----------------------------------------------------------------------------------------------------------


def _gap(evidence: Evidence, gap: Mapping[str, float], words: str, source: str, expect: Expectation) -> Finding:
    low, high = gap["low"], gap["high"]
    words = f"{words}: UAR {gap['difference']:+.3f} (95 %: {low:+.3f} to {high:+.3f})"
    return over_speakers(evidence, words, expect(low, high), source, low, high)


def _paired(
    evidence: Evidence, parts: Sequence[pd.DataFrame], weights: Sequence[int], words: str, what: str, source: str
) -> Finding:
    """A contrast that the claim expects above zero."""
    if any(part.empty for part in parts) or unshared(parts):
        raise Absent(source, f"{what}, of the same speakers,")
    return _gap(evidence, contrast(parts, weights, samples=evidence.samples), words, source, above)


@deferred
def better(evidence: Evidence, first: str, second: str, speech: str, source: str | None = None) -> Finding:
    """One system scores a higher UAR than another on the same speakers, its interval above zero.

    Parameters
    ----------
    first, second : str
        Systems.
    speech : {"clean", "noisy"}
    source : str, optional
        Artefact of both; by default that of rows A to D on such speech.
    """
    rows = evidence.artefact(source) if source else evidence.speech(speech)
    if source:
        rows = rows[(rows["condition"] == "clean") == (speech == "clean")]
    parts = [rows[rows["system"] == name] for name in (first, second)]
    what = f"systems {first} and {second} on {speech} speech"
    return _paired(evidence, parts, [1, -1], f"{first} − {second}, {speech}", what, source or SOURCES[speech])


def without(system: str, part: str) -> Check:
    """Whether a rebuilt system of the other papers scores higher on clean speech than itself without a part."""
    return better(system, f"{system}: {part}", "clean", RELATED)


@deferred
def falls_less(evidence: Evidence, first: str, second: str) -> Finding:
    """One row's UAR falls less from clean to noisy speech than another's: paired over speakers."""
    parts = [evidence.speech(kind) for kind in ("clean", "noisy")]
    falls = [part[part["system"] == row] for row in (second, first) for part in parts]
    what = f"rows {first} and {second} on clean (`{CLEAN}`) and noisy speech"
    return _paired(evidence, falls, [1, -1, -1, 1], f"fall of {second} − fall of {first}", what, GRID)


@deferred
def difference_of(
    evidence: Evidence, first: Rows, second: Rows, words: str, source: str, expect: Expectation = above
) -> Finding:
    """The difference of two sets of predictions, and whether its interval is as the claim expects."""
    parts = [select(evidence) for select in (first, second)]
    if any(part.empty for part in parts):
        raise Absent(source, f"both sides of {words}")
    return _gap(evidence, difference(nested(*parts), parts[1], samples=evidence.samples), words, source, expect)


# other artefacts ------------------------------------------------------------------------------------------------------


@deferred
def found(evidence: Evidence, artefact: str, statement: Statement) -> Finding:
    """A statement about one artefact of this run; it raises :class:`Absent` where that lacks what it needs."""
    table = evidence.artefact(artefact)
    if table.empty:
        raise Absent(artefact, "rows")
    true, words = statement(table)
    return judged(evidence, words, true, artefact)


@deferred
def mean_of(
    evidence: Evidence, artefact: str, values: Callable[[Any], pd.Series], words: str, expect: Expectation
) -> Finding:
    """The mean over explained clips of some quantity, with Student's interval, and whether it is as claimed."""
    series = values(evidence.artefact(artefact)).dropna()
    if len(series) < 2:
        raise Absent(artefact, f"{words} on two clips or more")
    half = stats.t.ppf(0.975, len(series) - 1) * stats.sem(series)
    low, high = series.mean() - half, series.mean() + half
    text = f"{words}: {series.mean():+.3f} over {len(series)} clips (95 %: {low:+.3f} to {high:+.3f})"
    return judged(evidence, text, expect(low, high), artefact, low, high)


@deferred
def ranking(evidence: Evidence, axis: str, claim: str, place: str) -> Finding:
    """The noise that hurts most ("hardest") or least ("easiest") by mean accuracy over the levels of an axis."""
    rows = evidence.unheard(axis)
    rows = rows[rows["system"] == "D"]
    if rows.empty:
        raise Absent(GRID, f"row D on the {axis} axis")
    means = (rows["true"] == rows["predicted"]).groupby(rows["noise"]).mean()
    found = means.idxmin() if place == "hardest" else means.idxmax()
    listed = ", ".join(f"{name.replace('_', ' ')} {100 * value:.1f}" for name, value in means.sort_values().items())
    words = f"{place} at equal {'λ' if axis == 'lambda' else 'SNR'} is {found.replace('_', ' ')} (%: {listed})"
    return judged(evidence, words, found == claim, GRID)
