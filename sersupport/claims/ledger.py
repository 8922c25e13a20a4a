"""Claims and evidence become one table."""

from collections.abc import Sequence
from difflib import get_close_matches

import pandas as pd

from sersupport.claims import cnn_attention, fusion_method, fusion_results, humpcat, trnet
from sersupport.claims.evidence import PRINT, Claim, Evidence
from sersupport.claims.verdicts import VERDICTS
from sersupport.core.errors import UserError

CLAIMS = (*fusion_method.CLAIMS, *fusion_results.CLAIMS, *cnn_attention.CLAIMS, *humpcat.CLAIMS, *trnet.CLAIMS)


def _row(claim: Claim, evidence: Evidence) -> dict[str, str | float]:
    found = claim.judged(evidence)
    printed = found.source == PRINT
    report = f"sersupport report --profile {evidence.profile}  # {found.source}"
    return {
        "id": claim.id,
        "paper": claim.paper,
        "place": claim.place,
        "claim": claim.text,
        "test": claim.test,
        "evidence": found.evidence,
        "low": found.low,
        "high": found.high,
        "basis": PRINT if printed else "this run",
        "verdict": found.verdict,
        "command": f"sersupport claims {claim.id}" if printed else report,
    }


def check(id: str, evidence: Evidence) -> dict[str, str | float]:
    """Check one claim.

    Parameters
    ----------
    id : str
        Its short name.
    evidence : Evidence
        The printed tables and a run's artefacts.

    Returns
    -------
    dict
        A row of :func:`ledger`.

    Raises
    ------
    UserError
        If no claim has this name, with those that come near.
    """
    by_id = {claim.id: claim for claim in CLAIMS}
    if id not in by_id:
        near = ", ".join(get_close_matches(id, by_id, 5, 0.5))
        raise UserError(f"no claim {id!r} in the ledger; {f'near it: {near}' if near else 'see `sersupport claims`'}")
    return _row(by_id[id], evidence)


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
        for what is recomputed), basis ("print": recomputed from printed numbers and definitions; "this run": rests on
        this run's artefacts or, where it is not testable, would), verdict (one of
        :data:`sersupport.claims.verdicts.VERDICTS`), command (how to get the evidence).
    """
    return pd.DataFrame([_row(claim, evidence) for claim in claims])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts counted by paper, every verdict a column, the sum last."""
    counts = table.groupby("paper")["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(VERDICTS), fill_value=0).assign(claims=lambda frame: frame.sum(axis=1))
    return counts.reset_index()
