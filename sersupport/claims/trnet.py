"""What arXiv 2404.12979 claims of two-level refinement of enhanced speech."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import found, holds, score, without
from sersupport.claims.evidence import COEFFICIENT, RELATED, Claim, Evidence, written

_PAPER, _SYSTEM = "2404.12979", "trnet"
_PRINTED = facts.table("2404.12979-results").set_index("test set")


def _unweighted(evidence: Evidence) -> tuple[bool, str]:
    gaps = _PRINTED["uar_pct"] - _PRINTED["war_pct"]
    return bool((gaps > 0).all()), f"UAR − WAR: {', '.join(f'{gap:+.2f}' for gap in gaps)} points"


def _alike(evidence: Evidence) -> tuple[bool, str]:
    gap = float(np.ptp(_PRINTED["uar_pct"]))
    return gap < 1, f"UAR in the two noises differs by {gap:.2f} points"


def _falls_with_snr(table: pd.DataFrame) -> tuple[bool, str]:
    rank = table[["snr_db", "c"]].corr(method="spearman").iloc[0, 1]
    return rank > 0.5, f"rank correlation of c and the true SNR {rank:+.2f}"


def _cells() -> Iterable[Claim]:
    for name, row in _PRINTED.iterrows():
        for column, metric in (("uar_pct", "uar"), ("war_pct", "accuracy")):
            id = f"trnet-{'esc' if 'ESC' in name else 'musan'}-{column[:3]}"
            text = f"{name}: {column[:3].upper()} {row[column]} %."
            check = score(float(row[column]), RELATED, metric, system=_SYSTEM, noise=name)
            yield Claim(_PAPER, id, "results", text, "the rebuilt system on unheard speakers", check)


_WRITTEN = {
    "trnet-order": holds(_unweighted),
    "trnet-unmatched": holds(_alike),
    "trnet-snr": found(COEFFICIENT, _falls_with_snr),
    "trnet-low": without(_SYSTEM, "no low-level loss"),
    "trnet-high": without(_SYSTEM, "no high-level loss"),
    "trnet-clean": without(_SYSTEM, "enhanced only"),
}
CLAIMS = (*_cells(), *written(_WRITTEN))
