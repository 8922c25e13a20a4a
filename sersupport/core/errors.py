"""Errors that a user can put right."""

from __future__ import annotations


class UserError(ValueError):
    """Input that a user can put right; the message says what is wrong, where, and what to do, in one line."""


class Missing(UserError):
    """What is not there, as opposed to what is there and cannot be used."""
