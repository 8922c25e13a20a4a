"""What arXiv 2501.10408 claims of HuBERT and MFCC under cross-attention, moved between languages."""

from sersupport.claims import facts
from sersupport.claims.checks import holds, score, without
from sersupport.claims.evidence import RELATED, Claim, Evidence, written

_PAPER, _SYSTEM = "2501.10408", "humpcat"
_PRINTED = facts.table("2501.10408-accuracy").set_index("target")["accuracy_pct"]


def _average(evidence: Evidence) -> tuple[bool, str]:
    mean, given = _PRINTED.iloc[-1], _PRINTED.iloc[:-1]
    rest = (7 * mean - given.sum()) / (7 - len(given))
    return given.min() <= rest <= given.max(), f"leaves {rest:.2f} % for the other {7 - len(given)} targets"


def _cell(corpus: str, target: str) -> Claim:
    value = float(_PRINTED[target])
    text, check = f"{target}: accuracy {value} %.", score(value, RELATED, system=_SYSTEM, corpus=corpus)
    return Claim(_PAPER, f"humpcat-{corpus}", "results", text, "accuracy on unheard speakers", check)


_CORPORA = {"emodb": "EMO-DB (German)", "emovo": "EMOVO (Italian)", "chinese": "Chinese target"}
_PARTS = {
    "humpcat-attention": without(_SYSTEM, "concatenation"),
    "humpcat-layers": without(_SYSTEM, "last layer"),
    "humpcat-transfer": without(_SYSTEM, "no transfer"),
}
CLAIMS = (
    *written({"humpcat-average": holds(_average)}),
    *(_cell(corpus, target) for corpus, target in _CORPORA.items()),
    *written(_PARTS),
)
