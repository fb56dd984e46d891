"""The port to whatever verifies callers' tokens."""

from __future__ import annotations

from typing import Protocol

from shared.core.caller import Caller


class Verifier(Protocol):
    """Turns a bearer token into a caller."""

    async def verify(self, token: str) -> Caller:
        """Raises ``Unauthenticated`` for a token that is not good, ``Unreachable`` when the keys cannot be had."""
        ...
