"""The declaration of the series holds together, and with the ledger."""

from __future__ import annotations

from sersupport.claims.evidence import ARTEFACTS
from sersupport.run.chapters import CHAPTERS, CORPORA, ENCODERS, NOISE, NOTEBOOKS, chapters_table

WRITTEN = {name: {f"{name}/{own}" for own in chapter.writes} for name, chapter in CHAPTERS.items()}


def test_every_chapter_reads_what_an_earlier_one_writes():
    before = set()
    for name in NOTEBOOKS:
        assert set(CHAPTERS[name].reads) <= before, name
        assert set(CHAPTERS[name].sources) <= {CORPORA, NOISE, ENCODERS}
        assert len({*CHAPTERS[name].reads}) == len(CHAPTERS[name].reads)
        before |= WRITTEN[name]


def test_the_ledger_asks_for_nothing_that_no_chapter_writes():
    """Six claims once stood as not testable because the table that they name was never saved."""
    asked = set(ARTEFACTS)
    assert asked <= set().union(*WRITTEN.values())
    assert asked <= set(CHAPTERS["10_claims"].reads)
    assert {"ledger", "headline"} <= set(CHAPTERS["10_claims"].writes)


def test_the_table_has_a_row_a_chapter():
    rows = chapters_table({name: f"What of {name}?" for name in NOTEBOOKS}, {}).splitlines()
    assert len(rows) == 2 + len(NOTEBOOKS) and all(row.count("|") == 5 for row in rows)
    assert "| 06_robustness | What of 06_robustness? | corpora, noise, encoders, 01, 02, 05 | predictions" in rows[7]
