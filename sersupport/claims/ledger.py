"""Claims and evidence become one table."""

from collections.abc import Sequence
from difflib import get_close_matches

import pandas as pd

from sersupport.claims import cnn_attention, fusion_method, fusion_results, humpcat, trnet
from sersupport.claims.evidence import CODE, PRINT, Claim, Evidence, Finding
from sersupport.claims.verdicts import MEASURED, VERDICTS
from sersupport.core.errors import UserError
from sersupport.evaluation.paired import holm

CLAIMS = (*fusion_method.CLAIMS, *fusion_results.CLAIMS, *cnn_attention.CLAIMS, *humpcat.CLAIMS, *trnet.CLAIMS)


def _row(claim: Claim, found: Finding, p_holm: float, profile: str) -> dict[str, str | float]:
    published = found.source in (PRINT, CODE)
    report = f"sersupport report --profile {profile}  # {found.source}"
    return {
        "id": claim.id,
        "paper": claim.paper,
        "place": claim.place,
        "weight": claim.weight,
        "family": claim.family,
        "claim": claim.text,
        "test": claim.test,
        "evidence": found.evidence,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "p_holm": p_holm,
        "basis": found.source if published else "this run",
        "verdict": found.decided(p_holm),
        "command": f"sersupport claims {claim.id}" if published else report,
    }


def check(id: str, evidence: Evidence) -> dict[str, str | float]:
    """Check one claim, and with it those of its family, without which p cannot be corrected.

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
    family = by_id[id].family
    kin = [claim for claim in CLAIMS if claim.id == id or (family and claim.family == family)]
    return next(row for row in ledger(evidence, kin).to_dict("records") if row["id"] == id)


def ledger(evidence: Evidence, claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """Check every claim.

    Parameters
    ----------
    evidence : Evidence
        The printed tables and a run's artefacts.
    claims : sequence of Claim
        All by default; of a family all or none.

    Returns
    -------
    pandas.DataFrame
        One row a claim: id, paper, place, weight ("central", "minor"), family, claim, test, evidence, low, high (the
        interval of what was measured, NaN for what is recomputed), p and p_holm (two-sided, before and after Holm's
        correction within the family; NaN where the verdict needs none), basis ("print": recomputed from printed
        numbers and definitions; "published code": from those in the authors' notebooks; "this run": rests on this
        run's artefacts or, where it is not testable, would), verdict
        (one of :data:`sersupport.claims.verdicts.VERDICTS`), command (how to get the evidence).

    References
    ----------
    Holm, S. (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
    """
    found = [claim.found(evidence) for claim in claims]
    p = pd.DataFrame({"family": [claim.family or claim.id for claim in claims], "p": [one.p for one in found]})
    corrected = p.groupby("family")["p"].transform(holm)
    rows = zip(claims, found, corrected, strict=True)
    return pd.DataFrame([_row(claim, one, float(p_holm), evidence.profile) for claim, one, p_holm in rows])


def tried(table: pd.DataFrame) -> pd.DataFrame:
    """The claims of a ledger that the run put to the test: measured, and not settled by what is published."""
    return table[(table["basis"] == "this run") & table["verdict"].isin(MEASURED)]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts counted by paper, every verdict a column, the sum last."""
    counts = table.groupby("paper")["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(VERDICTS), fill_value=0).assign(claims=lambda frame: frame.sum(axis=1))
    return counts.reset_index()
