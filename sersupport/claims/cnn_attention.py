"""What arXiv 2507.03251 claims of a CNN with channel and spatial attention."""

from sersupport.claims import facts
from sersupport.claims.checks import holds, score, without
from sersupport.claims.evidence import RELATED, Claim, Evidence, written
from sersupport.corpora.conventions import CORPORA

_PAPER, _SYSTEM = "2507.03251", "cnn_attention"
_PRINTED = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]


def _runs_from(evidence: Evidence, low: float, high: float) -> tuple[bool, str]:
    least, most = _PRINTED.min(), _PRINTED.max()
    return (low, high) == (least, most), f"its table runs from {least} to {most}"


def _cell(corpus: str, value: float) -> Claim:
    key = next(name for name, known in CORPORA.items() if known.title == corpus)
    text, check = f"{corpus}: accuracy {value} %.", score(value, RELATED, system=_SYSTEM, corpus=key)
    return Claim(_PAPER, f"attention-{key}", "results", text, "accuracy on unheard speakers", check)


_WRITTEN = {
    "attention-range-high": holds(_runs_from, 97.49, 99.82),
    "attention-range": holds(_runs_from, 89.31, 99.82),
    "attention-attention": without(_SYSTEM, "no attention"),
    "attention-augmentation": without(_SYSTEM, "no augmentation"),
}
CLAIMS = (*(_cell(corpus, value) for corpus, value in _PRINTED.items()), *written(_WRITTEN))
