"""The port to the verifier of callers' tokens."""

from __future__ import annotations

from typing import Protocol

from shared.core.caller import Caller


class Verifier(Protocol):
    """Turns a bearer token into a caller."""

    async def verify(self, token: str) -> Caller:
        """Returns the caller. Raises ``Unauthenticated`` if the token is not good, ``Unreachable`` if there are no keys."""
        ...
