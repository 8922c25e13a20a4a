"""What stands on the front page: sentences computed from a run's scores and its ledger of claims."""

from collections.abc import Mapping

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.verdicts import CONTRADICTED, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from sersupport.evaluation.metrics import metrics
from sersupport.systems.fusion import ROW_NAMES


def scores(table6: pd.DataFrame, row: str) -> list[str]:
    """A sentence for clean and one for noisy speech: a row's score with its interval, beside the paper's.

    Parameters
    ----------
    table6 : pandas.DataFrame
        Summary by ``system`` and ``speech``.
    row : str
        Of Table VI.
    """
    printed = facts.table("2512.18298-table6-ablation").set_index("row")
    return [
        f"{ROW_NAMES[row][2:].capitalize()} (row {row}), {s.speech} speech of speakers held out: UAR"
        f" **{s.recall:.2f}** ({_interval(s)}), accuracy **{100 * s.accuracy:.1f} %**; the paper prints"
        f" {printed.loc[row, f'{s.speech}_accuracy_pct']:.2f} %."
        for s in table6[table6["system"] == row].itertuples()
    ]


def _interval(summary) -> str:
    if pd.isna(summary.uar_low):
        return "one speaker gives no interval"
    return f"95 % over {summary.speakers:.0f} speakers: {summary.uar_low:.2f} to {summary.uar_high:.2f}"


def best(table6: pd.DataFrame) -> str:
    """Which system has the highest UAR on clean and on noisy speech."""
    first = {speech: part.loc[part["recall"].idxmax(), "system"] for speech, part in table6.groupby("speech")}
    names = {speech: ROW_NAMES.get(system, system) for speech, system in first.items()}
    return f"Best system on clean speech: **{names['clean']}**; in noise: **{names['noisy']}**."


def split_alone(ladder: pd.DataFrame) -> str:
    """The ladder of protocols on clean speech, in a sentence."""
    clean = ladder[ladder["condition"] == "clean"]
    uar = {name: metrics(rows)["recall"] for name, rows in clean.groupby("protocol")}
    texts = uar.get("speaker-and-text-disjoint")
    return (
        f"The split alone, one model and one budget: UAR **{uar['row-random']:.2f}** with rows split at random,"
        f" {uar['utterance-grouped']:.2f} with utterances kept whole, **{uar['speaker-disjoint']:.2f}** with speakers"
        f" kept apart{'.' if texts is None else f', {texts:.2f} with speakers and texts kept apart.'}"
    )


def verdicts(number: Mapping[str, int]) -> str:
    """Counts of the ledger in a sentence; ``number`` of claims by verdict."""
    return (
        f"Of **{sum(number.values())} claims** in four papers, {number[REPRODUCED]} are reproduced,"
        f" {number[NOT_REPRODUCED]} are not, **{number[CONTRADICTED]} are contradicted by the papers' own numbers**,"
        f" {number[NOT_TESTABLE]} cannot be tested in this run."
    )
