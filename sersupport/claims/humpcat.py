"""What arXiv 2501.10408 claims of HuBERT, MFCC and prosody under cross-attention, moved between languages."""

from dataclasses import replace

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import cells, helps, of_encoder, paired, rebuilt
from sersupport.claims.evidence import CURVE, KEY_OF, Absent, Evidence, Finding, written
from sersupport.corpora.conventions import title
from sersupport.evaluation.intervals import unshared

SYSTEM = "HuMP-CAT"  # sersupport.systems has it, too, and would load torch
_PRINTED = facts.table("2501.10408-accuracy").set_index("target")["accuracy_pct"]
_TARGETS = {"EMO-DB (German)": KEY_OF["EMO-DB"], "EMOVO (Italian)": KEY_OF["EMOVO"]}  # the Chinese one has no name


def _curve(evidence: Evidence) -> pd.DataFrame:
    """What was fine-tuned on a tenth to a third of a corpus in another language than English, as in the paper."""
    rows = evidence.artefact(CURVE)
    return rows[(rows["language"] != "en") & (rows["share"] >= 0.1) & (rows["share"] <= 1 / 3)]


def _target(evidence: Evidence, target: str) -> pd.DataFrame:
    rows = _curve(evidence)
    rows = rows[(rows["corpus"] == _TARGETS[target]) & (rows["start"] == "English")]
    return rows[rows["share"] == rows["share"].max()]


def _transfer(evidence: Evidence) -> Finding:
    rows = _curve(evidence)
    parts = [rows[rows["start"] == start] for start in ("English", "nothing")]
    if any(part.empty for part in parts) or unshared(parts):
        raise Absent(CURVE, "both starts on up to a third of a target in another language than English")
    shares = ", ".join(f"{100 * share:.0f}" for share in sorted(rows["share"].unique()))
    words = f"begun with English − with nothing, {shares} % of {', '.join(map(title, rows['corpus'].unique()))}"
    measured = paired(evidence, parts, words, CURVE, "clean")
    return replace(measured, evidence=measured.evidence + rebuilt(SYSTEM))


CLAIMS = written(
    {
        "humpcat-accuracy": cells(_PRINTED[list(_TARGETS)].to_dict(), _target, CURVE, rebuilt_as=SYSTEM),
        "humpcat-attention": helps(SYSTEM, "concatenation for stage 1", "concatenation for stage 2"),
        "humpcat-layers": of_encoder("hubert", helps(SYSTEM, "last layer")),
        "humpcat-transfer": _transfer,
    }
)
