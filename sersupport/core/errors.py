"""The one error that a user can put right."""

from __future__ import annotations


class UserError(ValueError):
    """Input that a user can put right; the message says what is wrong, where, and what to do, in one line."""
