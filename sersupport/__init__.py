"""Helper package of the reproducible report on noise-robust, explainable speech emotion recognition."""

from __future__ import annotations

__version__ = "0.1.0"


class UserError(ValueError):
    """Input that a user can put right; the message says what is wrong, where, and what to do, in one line."""
