"""What arXiv 2404.12979 claims of two-level refinement of enhanced speech."""

from dataclasses import replace

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import cells, deferred, helps, rebuilt, sides, weakest, within_margin
from sersupport.claims.evidence import (
    ESTIMATES,
    GRID_RELATED,
    RELATED_ABLATION,
    Absent,
    Check,
    Evidence,
    Finding,
    written,
)
from sersupport.evaluation.intervals import contrast
from sersupport.evaluation.resampling import tested
from sersupport.evaluation.tables import uar_of_each

SYSTEM = "TRNet"  # sersupport.systems has it, too, and would load torch
_ALONE, _NOISY = "clean speech alone", "noisy speech alone"
_PRINTED = facts.table("2404.12979-results").set_index("test set")["war_pct"]


@deferred
def _enhanced(evidence: Evidence, check: Check) -> Finding:
    """Without an enhancer there is nothing to refine."""
    if not _estimates(evidence)["enhancer"].ne("none").any():
        raise Absent(ESTIMATES, "an enhancer")
    return check(evidence)


def _estimates(evidence: Evidence) -> pd.DataFrame:
    rows = evidence.artefact(ESTIMATES)
    return rows[np.isfinite(rows["level"])]


def _rises(evidence: Evidence) -> Finding:
    """Rank correlation of c with the true SNR over a speaker's recordings, noise by noise; its mean over speakers."""
    rows, gaps = _estimates(evidence), []
    for (enhancer, noise), own in rows[rows["enhancer"] != "none"].groupby(["enhancer", "noise"]):
        ranks = own[["level", "c"]].groupby(own["speaker"]).corr(method="spearman").xs("level", level=1)["c"]
        ranks = ranks.fillna(0)  # of a c that never changes
        gap = tested(ranks.mean(), ranks.sem(), len(ranks) - 1, len(ranks))
        words = f"rank correlation of c by {enhancer} and the SNR in {noise.replace('_', ' ')} {ranks.mean():+.2f}"
        gaps.append((words, gap))
    gaps = [(f"{words}, the least sure of {len(gaps)} noises", gap) for words, gap in gaps]
    found = weakest(evidence, gaps, ESTIMATES, "")
    return replace(found, evidence=found.evidence + rebuilt(SYSTEM))


def _iemocap(evidence: Evidence, cell: str) -> pd.DataFrame:
    rows = evidence.artefact(GRID_RELATED)
    return rows[(rows["system"] == SYSTEM) & (rows["corpus"] == "iemocap")]


def _robust(evidence: Evidence) -> Finding:
    """Against the same network on the same noisy rows; how the score falls with the SNR is named beside it."""
    rows = evidence.artefact(GRID_RELATED)
    uar = uar_of_each(rows[(rows["system"] == SYSTEM) & (rows["level_kind"] == "snr")], "level").sort_index()
    found = helps(SYSTEM, _NOISY, speech="noisy")(evidence)
    said = ", ".join(f"{value:.3f} at {level:g} dB" for level, value in uar.items())
    return replace(found, evidence=f"{found.evidence}. UAR on the grid: {said or 'none here'}")


def _clean(evidence: Evidence) -> Finding:
    parts, words = sides(evidence, f"{SYSTEM}: {_ALONE}", f"{SYSTEM}: baseline", "clean", RELATED_ABLATION)
    found = within_margin(evidence, contrast(parts, [1, -1], samples=evidence.samples), words, RELATED_ABLATION)
    return replace(found, evidence=found.evidence + rebuilt(SYSTEM))


_CHECKS = {
    "trnet-accuracy": cells(_PRINTED.to_dict(), _iemocap, GRID_RELATED, rebuilt_as=SYSTEM),
    "trnet-snr": _rises,
    "trnet-low": helps(SYSTEM, "no low-level loss", "enhanced only", speech="noisy"),
    "trnet-high": helps(SYSTEM, "no high-level loss", speech="noisy"),
    "trnet-noise": _robust,
    "trnet-clean": _clean,
}
CLAIMS = written({id: _enhanced(check) for id, check in _CHECKS.items()})
