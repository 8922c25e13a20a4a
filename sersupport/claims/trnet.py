"""What arXiv 2404.12979 claims of two-level refinement of enhanced speech."""

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import cells, found, holds, without
from sersupport.claims.evidence import COEFFICIENT, RELATED, Evidence, written
from sersupport.claims.verdicts import MARGIN

_SYSTEM = "trnet"
_PRINTED = facts.table("2404.12979-results").set_index("test set")


def _alike(evidence: Evidence) -> tuple[bool, str]:
    gap = float(np.ptp(_PRINTED["uar_pct"]))
    return gap < 100 * MARGIN, f"UAR in the two noises differs by {gap:.2f} points"


def _falls_with_snr(table: pd.DataFrame) -> tuple[bool, str]:
    rank = table[["snr_db", "c"]].corr(method="spearman").iloc[0, 1]
    return rank > 0.5, f"rank correlation of c and the true SNR {rank:+.2f}"


def _noise(evidence: Evidence, name: str) -> pd.DataFrame:
    rows = evidence.artefact(RELATED)
    return rows[(rows["system"] == _SYSTEM) & (rows["noise"] == name)]


CLAIMS = written(
    {
        "trnet-accuracy": cells(_PRINTED["war_pct"].to_dict(), _noise, RELATED),
        "trnet-unmatched": holds(_alike),
        "trnet-snr": found(COEFFICIENT, _falls_with_snr),
        "trnet-low": without(_SYSTEM, "no low-level loss"),
        "trnet-high": without(_SYSTEM, "no high-level loss"),
        "trnet-clean": without(_SYSTEM, "enhanced only"),
    }
)
