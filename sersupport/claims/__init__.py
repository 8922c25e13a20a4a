"""The ledger: every claim that the four papers print, what was found, and a verdict that is computed."""

from sersupport.claims.checks import (
    CONTRADICTED,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    VERDICTS,
    Claim,
    Evidence,
    Finding,
)
from sersupport.claims.ledger import ledger, summary
from sersupport.claims.rows import CLAIMS

__all__ = [
    "CLAIMS",
    "CONTRADICTED",
    "NOT_REPRODUCED",
    "NOT_TESTABLE",
    "REPRODUCED",
    "VERDICTS",
    "Claim",
    "Evidence",
    "Finding",
    "ledger",
    "summary",
]
