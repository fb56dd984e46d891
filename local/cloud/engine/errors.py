"""Errors that no service has a shape of its own for."""

from __future__ import annotations


class InputError(ValueError):
    """What a client sent is not what the call takes; the text says what is wrong with it."""
