"""What arXiv 2501.10408 claims of HuBERT and MFCC under cross-attention, moved between languages."""

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import cells, holds, without
from sersupport.claims.evidence import RELATED, Evidence, written

_SYSTEM = "humpcat"
_TARGETS = {"EMO-DB (German)": "emodb", "EMOVO (Italian)": "emovo", "Chinese target": "chinese"}
_PRINTED = facts.table("2501.10408-accuracy").set_index("target")["accuracy_pct"]


def _average(evidence: Evidence) -> tuple[bool, str]:
    mean, given = _PRINTED.iloc[-1], _PRINTED.iloc[:-1]
    rest = (7 * mean - given.sum()) / (7 - len(given))
    return given.min() <= rest <= given.max(), f"leaves {rest:.2f} % for the other {7 - len(given)} targets"


def _target(evidence: Evidence, target: str) -> pd.DataFrame:
    rows = evidence.artefact(RELATED)
    return rows[(rows["system"] == _SYSTEM) & (rows["corpus"] == _TARGETS[target])]


CLAIMS = written(
    {
        "humpcat-average": holds(_average),
        "humpcat-accuracy": cells(_PRINTED[list(_TARGETS)].to_dict(), _target, RELATED),
        "humpcat-attention": without(_SYSTEM, "concatenation"),
        "humpcat-layers": without(_SYSTEM, "last layer"),
        "humpcat-transfer": without(_SYSTEM, "no transfer"),
    }
)
