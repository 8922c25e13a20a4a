"""What arXiv 2507.03251 claims of a CNN with channel and spatial attention."""

from __future__ import annotations

from sersupport.claims import facts
from sersupport.claims.checks import better, holds, score
from sersupport.claims.evidence import RELATED, Check, Claim, Evidence
from sersupport.corpora.conventions import CORPORA

_PAPER, _SYSTEM = "2507.03251", "cnn_attention"
_PRINTED = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]


def _range(low: float, high: float) -> Check:
    def statement(evidence: Evidence) -> tuple[bool, str]:
        least, most = _PRINTED.min(), _PRINTED.max()
        return (low, high) == (least, most), f"its table runs from {least} to {most}"

    return holds(statement)


def _cell(corpus: str, value: float) -> Claim:
    key = next(name for name, known in CORPORA.items() if known.title == corpus)
    check = score(value, RELATED, system=_SYSTEM, corpus=key)
    return Claim(
        _PAPER, f"attention-{key}", "results", f"{corpus}: accuracy {value} %.", "accuracy on unheard speakers", check
    )


def _part(part: str, text: str) -> Claim:
    test, check = "paired difference on unheard speakers", better(_SYSTEM, f"{_SYSTEM}: no {part}", "clean", RELATED)
    return Claim(_PAPER, f"attention-{part}", "abstract", text, test, check)


CLAIMS = (
    *(_cell(corpus, value) for corpus, value in _PRINTED.items()),
    Claim.written("attention-range-high", _range(97.49, 99.82)),
    Claim.written("attention-range", _range(89.31, 99.82)),
    _part("attention", "Channel and spatial attention help."),
    _part("augmentation", "Augmentation makes the model more robust."),
)
