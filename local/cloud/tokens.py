"""Signing keys, and the access tokens signed with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class TokenRefused(Exception):
    """A bearer token that is missing, malformed, expired, not ours or for another audience. The text says which."""


@dataclass(slots=True)
class Tokens:
    """Issues and verifies RS256 access tokens of one tenant."""

    tenant_id: str
    now: Callable[[], float]

    def verify(self, token: str | None, audiences: tuple[str, ...]) -> Mapping[str, Any]:
        """The claims of a token of ours for one of these audiences; raises ``TokenRefused``."""
        raise NotImplementedError
