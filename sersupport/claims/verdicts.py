"""The verdicts, and what decides between them."""

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
CONSISTENT = "consistent in print"  # with the paper's own numbers, of which nothing was measured
CONTRADICTED = "contradicted by the paper's own numbers"
CODE_CONTRADICTS = "contradicted by the authors' published code"
SETTING_DIFFERS = "setting differs"
NOT_TESTABLE = "not testable here"
VERDICTS = (
    REPRODUCED, NOT_REPRODUCED, UNDECIDED, CONSISTENT, CONTRADICTED, CODE_CONTRADICTS, SETTING_DIFFERS, NOT_TESTABLE,
)  # fmt: skip
MEASURED = (REPRODUCED, NOT_REPRODUCED, UNDECIDED)  # what a measurement comes to

MARGIN = 0.05  # of UAR: what arXiv 2512.18298 calls degraded "marginally by only" five points (IV-B1), before any test
