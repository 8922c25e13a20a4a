"""What arXiv 2501.10408 claims of HuBERT and MFCC under cross-attention, moved between languages."""

from __future__ import annotations

from sersupport.claims import facts
from sersupport.claims.checks import better, holds, score
from sersupport.claims.evidence import RELATED, Claim, Evidence

_PAPER, _SYSTEM = "2501.10408", "humpcat"
_PRINTED = facts.table("2501.10408-accuracy").set_index("target")["accuracy_pct"]


def _average(evidence: Evidence) -> tuple[bool, str]:
    mean, given = _PRINTED.iloc[-1], _PRINTED.iloc[:-1]
    rest = (7 * mean - given.sum()) / (7 - len(given))
    return given.min() <= rest <= given.max(), f"leaves {rest:.2f} % for the other {7 - len(given)} targets"


def _cell(corpus: str, target: str) -> Claim:
    value = float(_PRINTED[target])
    check = score(value, RELATED, system=_SYSTEM, corpus=corpus)
    text = f"{target}: accuracy {value} %."
    return Claim(_PAPER, f"humpcat-{corpus}", "results", text, "accuracy on unheard speakers", check)


def _part(id: str, other: str, place: str, text: str) -> Claim:
    test, check = "paired difference on unheard speakers", better(_SYSTEM, f"{_SYSTEM}: {other}", "clean", RELATED)
    return Claim(_PAPER, f"humpcat-{id}", place, text, test, check)


CLAIMS = (
    Claim.written("humpcat-average", holds(_average)),
    _cell("emodb", "EMO-DB (German)"),
    _cell("emovo", "EMOVO (Italian)"),
    _cell("chinese", "Chinese target"),
    _part("attention", "concatenation", "III-C", "Cross-attention fuses better than concatenation."),
    _part("layers", "last layer", "III-B", "HuBERT's layers 1 and 9 serve better than the last."),
    _part("transfer", "no transfer", "abstract", "Pretraining on English helps other languages."),
)
