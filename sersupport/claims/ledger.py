"""Claims and evidence become one table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sersupport.claims.checks import PRINTED, VERDICTS, Claim, Evidence
from sersupport.claims.rows import CLAIMS


def ledger(evidence: Evidence, claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """Check every claim.

    Parameters
    ----------
    evidence : Evidence
        The printed tables and a run's artefacts.
    claims : sequence of Claim
        All by default.

    Returns
    -------
    pandas.DataFrame
        One row a claim: id, paper, place, claim, test, evidence, low, high (the interval of what was measured, NaN
        for what is recomputed), basis ("print": recomputed from printed numbers and definitions; "this run"), verdict
        (one of :data:`VERDICTS`), command (how to get the evidence).
    """
    rows = []
    for claim in claims:
        found = claim.check(evidence)
        rows.append(
            {
                "id": claim.id,
                "paper": claim.paper,
                "place": claim.place,
                "claim": claim.text,
                "test": claim.test,
                "evidence": found.evidence,
                "low": found.low,
                "high": found.high,
                "basis": "print" if found.source == PRINTED else "this run",
                "verdict": found.verdict,
                "command": evidence.command(found.source),
            }
        )
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts counted by paper, every verdict a column, the sum last."""
    counts = table.groupby("paper")["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(VERDICTS), fill_value=0).assign(claims=lambda frame: frame.sum(axis=1))
    return counts.reset_index()
