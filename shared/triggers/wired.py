"""What the triggers are given by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.broker.outside import Outside
from shared.core.ports import Verifier


@dataclass(frozen=True, slots=True)
class Broker:
    """What the edge and the calls work with. ``challenge`` is a 401's; ``docs_url`` is empty for the app's own page."""

    outside: Outside
    verifier: Verifier
    challenge: str = "Bearer"
    docs_url: str = ""


type Wired = Callable[[], Awaitable[Broker]]
"""Gives the broker, built at the first call. Raises ``Misconfigured``."""
type WiredOutside = Callable[[], Awaitable[Outside]]
"""The same for a trigger without callers."""
