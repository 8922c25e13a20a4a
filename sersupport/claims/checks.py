"""How claims are tested: against the papers' own printed numbers, or against what a run has measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.claims.evidence import (
    CODE,
    ENCODER,
    GRID,
    LADDER,
    PRINT,
    PROBED,
    RELATED_ABLATION,
    SOURCES,
    Absent,
    Check,
    Evidence,
    Finding,
)
from sersupport.claims.verdicts import (
    CODE_CONTRADICTS,
    CONSISTENT,
    CONTRADICTED,
    MARGIN,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    SETTING_DIFFERS,
    UNDECIDED,
)
from sersupport.corpora.conventions import title
from sersupport.evaluation.intervals import contrast, difference, speaker_interval, unshared
from sersupport.evaluation.paired import nested, over_folds
from sersupport.evaluation.resampling import resampled, standard_error, tested
from sersupport.evaluation.tables import number_of_sources

Statement = Callable[..., tuple[bool, str]]  # whether it holds, and the numbers in words
Readings = Callable[..., tuple[list[bool], str]]  # the same by several readings, or measurements, of one statement


def deferred(test: Callable[..., Any]) -> Callable[..., Callable[[Evidence], Any]]:
    """A function of evidence and values, made one of the values that takes the evidence afterwards."""

    @wraps(test)
    def given(*values: Any, **named: Any) -> Callable[[Evidence], Any]:
        return lambda evidence: test(evidence, *values, **named)

    return given


# printed numbers, definitions and published code ----------------------------------------------------------------------


_CONTRARY = {PRINT: CONTRADICTED, CODE: CODE_CONTRADICTS}


@deferred
def holds(evidence: Evidence, statement: Statement, *values: Any, source: str = PRINT) -> Finding:
    """A statement about printed numbers or definitions, or published code, which contradict it where it is false."""
    true, words = statement(evidence, *values)
    return Finding(words, source, CONSISTENT if true else _CONTRARY[source])


@deferred
def undefined(evidence: Evidence, statement: Callable[..., str], *values: Any, source: str = PRINT) -> Finding:
    """A printed figure of which print does not say how it was measured, or on what."""
    return Finding(statement(evidence, *values), source, NOT_TESTABLE)


@deferred
def agreeing(evidence: Evidence, source: str, statement: Readings) -> Finding:
    """Several measurements or readings, each for or against the claim: where they disagree nothing is decided."""
    true, words = statement(evidence)
    yes, no = (CONSISTENT, CONTRADICTED) if source == PRINT else (REPRODUCED, NOT_REPRODUCED)
    return Finding(words, source, yes if all(true) else UNDECIDED if any(true) else no)


# scores of this run beside printed ones -------------------------------------------------------------------------------


@deferred
def cells(
    evidence: Evidence,
    printed: Mapping[Any, float],
    select: Callable[[Evidence, Any], pd.DataFrame],
    source: str,
    each_alone: bool = False,
    tuned: bool = False,
    rebuilt_as: str = "",
) -> Finding:
    """A table of printed accuracies beside ours, judged only where the run has the paper's setting.

    Parameters
    ----------
    printed : mapping
        Accuracy in percent by cell, in words.
    select : callable
        Predictions of a cell; no rows where this run has none.
    source : str
        Artefact that has them.
    each_alone : bool
        Whether a cell is of one corpus, which needs no others.
    tuned : bool
        Whether the systems' settings were chosen.
    rebuilt_as : str
        What the system of another paper is called here, whose setting always differs.
    """
    ours = {cell: select(evidence, cell) for cell in printed}
    ours = {cell: rows for cell, rows in ours.items() if len(rows)}
    if not ours:
        raise Absent(source, f"a cell of the {len(printed)} printed")
    accuracy = {cell: 100 * float((rows["true"] == rows["predicted"]).mean()) for cell, rows in ours.items()}
    words = "; ".join(f"{cell} {printed[cell]:.2f}, here {value:.1f}" for cell, value in accuracy.items())
    words = f"printed (%): {words}"
    if evidence.synthetic:
        return _no_evidence(words, source)
    if differs := rebuilt(rebuilt_as) if rebuilt_as else setting(evidence.differences(not each_alone, tuned)):
        return Finding(words + differs, source, SETTING_DIFFERS)
    # together the intervals hold all true values with 95 %
    level = 1 - 0.05 / len(ours)
    spans = {cell: speaker_interval(rows, evidence.samples, level, metric="accuracy") for cell, rows in ours.items()}
    outside = [cell for cell, (low, high) in spans.items() if not low <= printed[cell] / 100 <= high]
    words = f"{words}; outside our intervals: {', '.join(map(str, outside)) or 'none'}"
    return Finding(words, source, NOT_REPRODUCED if outside else REPRODUCED)


def setting(differs: Sequence[str]) -> str:
    """What :meth:`.evidence.Evidence.differences` found, to end a sentence of evidence with; nothing where none did."""
    return f". This run: {', '.join(differs)}" if differs else ""


def rebuilt(system: str, but: str = "") -> str:
    """In what, but for one thing, a system of another paper differs from print, to end a sentence of evidence with."""
    table = facts.table("related-systems")
    own = table[(table["system"] == system) & ~table["printed"].str.startswith("not stated") & (table["what"] != but)]
    return f". Rebuilt with another {', '.join(own['what'])} than printed"


def _no_evidence(words: str, source: str) -> Finding:
    return Finding(f"{words}; on synthetic speech, which decides nothing", source, NOT_TESTABLE)


@deferred
def of_encoder(evidence: Evidence, kind: str, check: Check) -> Finding:
    """A check that says something of one kind of encoder alone: of another the setting differs."""
    found = check(evidence)
    if found.verdict is not None or kind in evidence.artefact(ENCODER)["name"].lower():
        return found
    return replace(found, verdict=SETTING_DIFFERS, p=np.nan)


# differences ----------------------------------------------------------------------------------------------------------


def above(evidence: Evidence, gap: Mapping[str, float], words: str, source: str, unit: str = "UAR ") -> Finding:
    """A measured difference that a claim needs above zero; the verdict waits for p to be corrected.

    Parameters
    ----------
    gap : mapping
        ``difference``, ``low``, ``high`` (95 %), ``p`` and ``speakers``, as the intervals of
        :mod:`sersupport.evaluation` have them.
    words, source, unit : str
        What was measured, on which artefact, and what its numbers are called.
    """
    value, low, high = (float(gap[name]) for name in ("difference", "low", "high"))
    words = f"{words}: {unit}{value:+.3f} (95 %: {low:+.3f} to {high:+.3f})"
    if evidence.synthetic:
        return _no_evidence(words, source)
    if np.isnan(low):
        return Finding(f"{words}; too few speakers, or draws, for an interval", source, NOT_TESTABLE)
    return Finding(words, source, None, low, high, float(gap["p"]), value > 0)


def p_of(gap: Mapping[str, float]) -> float:
    """Two-sided p of a difference, from its interval over speakers."""
    speakers = gap["speakers"]
    return tested(gap["difference"], standard_error(gap), speakers - 1, speakers)["p"]


def _room(gap: Mapping[str, float]) -> dict[str, float]:
    """What a difference leaves of :data:`.verdicts.MARGIN`, tested."""
    ends = {"difference": "difference", "low": "high", "high": "low"}
    room = {name: MARGIN - gap[other] for name, other in ends.items()} | {"speakers": gap["speakers"]}
    return room | {"p": p_of(room)}


def within_margin(evidence: Evidence, gap: Mapping[str, float], words: str, source: str) -> Finding:
    """A difference that a claim needs to be negligible: no more than :data:`.verdicts.MARGIN`."""
    found = above(evidence, _room(gap), words, source)
    own = above(evidence, gap, words, source)
    words = f"{own.evidence}; margin {MARGIN:g}"
    return Finding(words, source, found.verdict, own.low, own.high, found.p, found.favours)


def compared(evidence: Evidence, first: str, second: str, speech: str, source: str | None = None) -> Finding:
    """Whether one system scores a higher UAR than another on the same speakers.

    Parameters
    ----------
    first, second : str
        Systems.
    speech : {"clean", "noisy", "loud"}
        As :meth:`.evidence.Evidence.speech` has it.
    source : str, optional
        Artefact of both, which has no "loud"; by default that of rows A to D on such speech.
    """
    parts, words = sides(evidence, first, second, speech, source)
    return paired(evidence, parts, words, source or SOURCES[speech], speech)


def sides(
    evidence: Evidence, first: str, second: str, speech: str, source: str | None = None
) -> tuple[list[pd.DataFrame], str]:
    """Predictions of two systems on the same speakers, and their difference in words; see :func:`compared`."""
    rows = evidence.artefact(source) if source else evidence.speech(speech)
    if source:
        rows = rows[(rows["condition"] == "clean") == (speech == "clean")]
    parts = [rows[rows["system"] == name] for name in (first, second)]
    if any(part.empty for part in parts) or unshared(parts):
        raise Absent(
            source or SOURCES[speech], f"systems {first} and {second} on {speech} speech, of the same speakers,"
        )
    heard = f"noise at λ {rows['level'].max():g}" if speech == "loud" else speech
    return parts, f"{first} − {second}, {heard}"


def paired(evidence: Evidence, parts: Sequence[pd.DataFrame], words: str, source: str, speech: str) -> Finding:
    """Whether the first of two systems' predictions has a higher UAR, paired over speakers.

    No surer than the folds are of it, where there are enough: the speakers of a fold were tested by one training.
    """
    gap = contrast(parts, [1, -1], samples=evidence.samples, sources=speech != "clean")
    both = pd.concat([part.assign(side=side) for side, part in zip("ab", parts, strict=True)])
    found, over = above(evidence, gap, words, source), over_folds(both, "a", "b", "side")
    if found.verdict or not over > found.p:
        return found
    p = f"p {over:.3f}" if over >= 0.001 else "p < 0.001"
    return replace(found, p=over, evidence=f"{found.evidence}, less sure over folds ({p})")


@deferred
def better(evidence: Evidence, first: str, second: str, speech: str, source: str | None = None) -> Finding:
    """As :func:`compared`, with what this run's setting differs in."""
    return in_setting(evidence, compared(evidence, first, second, speech, source), tuned=source is None)


def in_setting(evidence: Evidence, found: Finding, tuned: bool = False) -> Finding:
    """What waits for its verdict, with what this run's setting differs in from that of arXiv 2512.18298."""
    if found.verdict is not None:
        return found
    try:
        differs = evidence.differences(tuned=tuned)
    except Absent:  # what tells is not there, which makes no difference to what was measured
        return found
    differs.append("speakers apart, where the paper names no split")
    return replace(found, evidence=found.evidence + setting(differs))


def less_sure(found: Mapping[str, Finding]) -> Finding:
    """Several measurements of one claim, by words, of which all are named.

    Where they lie on one side of it, it stands, or falls, no firmer than the least sure of them; where they do not,
    nothing is decided.
    """
    least = max(found.values(), key=lambda one: np.inf if np.isnan(one.p) else one.p)
    named = replace(least, evidence="; ".join(f"{words}: {one.evidence}" for words, one in found.items()))
    agreed = len({one.favours for one in found.values()}) == 1
    return named if agreed or named.verdict is not None else replace(named, p=1.0)


@deferred
def helps(
    evidence: Evidence, system: str, *changes: str, speech: str = "clean", whole: str = "baseline", but: str = ""
) -> Finding:
    """Whether a rebuilt system of the other papers, ``whole``, scores higher than with each change, trained alike.

    Of several changes the claim stands no firmer than the least sure.
    """
    pairs = {
        name: compared(evidence, f"{system}: {whole}", f"{system}: {name}", speech, RELATED_ABLATION)
        for name in changes
    }
    words = "; ".join(one.evidence for one in pairs.values())
    return replace(less_sure(pairs), evidence=words + rebuilt(system, but))


@deferred
def no_gap(evidence: Evidence, milder: str, stricter: str, words: str, corpus: str | None = None) -> Finding:
    """What a claim needs that a stricter protocol should contradict: no fall of UAR beyond the margin.

    Neither of the row of the ladder nor of the linear probe: it stands no firmer than the weaker of both.

    Parameters
    ----------
    milder, stricter : str
        Protocols.
    words : str
        What their difference is called.
    corpus : str, optional
        The one that the claim is about, where it is about one.
    """
    gaps = []
    for source in (LADDER, PROBED):
        ladder = evidence.artefact(source)
        clean = ladder[(ladder["condition"] == "clean") & (ladder["corpus"].eq(corpus) | (corpus is None))]
        first, second = (clean[clean["protocol"] == protocol] for protocol in (milder, stricter))
        if first.empty or second.empty:
            raise Absent(source, f"both sides of {words}{f' on {title(corpus)}' if corpus else ''}")
        gap = difference(nested(first, second), second, samples=evidence.samples)
        gaps.append((f"{words}, clean, {first['system'].iloc[0]}", gap))
    words, gap = max(gaps, key=lambda own: _doubt(_room(own[1])))
    return within_margin(evidence, gap, words, LADDER)


def weakest(
    evidence: Evidence, gaps: Iterable[tuple[str, Mapping[str, float]]], source: str, unit: str = "UAR "
) -> Finding:
    """Several differences that a claim needs above zero: it stands no firmer than the weakest of them.

    References
    ----------
    Berger, R. L. (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24(4): the
    intersection-union test.
    """
    words, gap = max(gaps, key=lambda own: _doubt(own[1]))
    return above(evidence, gap, words, source, unit)


def _doubt(gap: Mapping[str, float]) -> float:
    """One-sided p of a difference that is not above zero."""
    if np.isnan(gap["p"]):  # nothing is known of it
        return np.inf
    return gap["p"] / 2 if gap["difference"] > 0 else 1 - gap["p"] / 2


def over_noises(
    evidence: Evidence, rows: pd.DataFrame, weighted: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, dict[str, float]]]:
    """Weighted sums of UAR over noises, with what speakers and recordings of noise leave uncertain.

    Parameters
    ----------
    rows : pandas.DataFrame
        Predictions of one system, ``noise`` and ``source`` among their columns.
    weighted : mapping
        By words: the weight of each noise.
    """
    scores = resampled(rows, ["noise"], samples=evidence.samples, sources=True)
    return [
        (words, scores.tested(sum(weight * scores.where(noise=noise) for noise, weight in own.items())))
        for words, own in weighted.items()
    ]


@deferred
def extreme(evidence: Evidence, axis: str, claimed: str, others: Sequence[str], place: str) -> Finding:
    """The noise in which row D scores lowest ("hardest") or highest ("easiest") at equal levels of an axis.

    Parameters
    ----------
    axis : {"lambda", "snr"}
    claimed : str
        The noise that the paper names.
    others : sequence of str
        Noises that it is compared with, as far as there are.
    place : {"hardest", "easiest"}
    """
    rows = evidence.unheard(axis)
    rows = rows[(rows["system"] == "D") & rows["noise"].isin([claimed, *others])]
    several = [name for name, own in rows.groupby("noise", sort=False) if number_of_sources(own) != 1]
    rivals = [name for name in several if name != claimed]
    if claimed not in several or not rivals:
        raise Absent(GRID, f"row D in {claimed.replace('_', ' ')}, from two recordings or more, and in another noise")
    weighted = {}
    for name in rivals:
        higher, lower = (claimed, name) if place == "easiest" else (name, claimed)
        words = f"{higher} − {lower}".replace("_", " ")
        weighted[f"{words}, the least sure of {len(rivals)}"] = {higher: 1, lower: -1}
    return weakest(evidence, over_noises(evidence, rows, weighted), GRID)


@deferred
def found(evidence: Evidence, artefact: str, statement: Statement) -> Finding:
    """A statement about one artefact of this run; it raises :class:`Absent` where that lacks what it needs."""
    table = evidence.artefact(artefact)
    if table.empty:
        raise Absent(artefact, "rows")
    true, words = statement(table)
    if evidence.synthetic:
        return _no_evidence(words, artefact)
    return Finding(words, artefact, REPRODUCED if true else NOT_REPRODUCED)
