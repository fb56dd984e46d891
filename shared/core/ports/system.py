"""Ports to the clock and to random numbers. Nothing else in the broker reads a clock or draws a number."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The clock."""

    def now(self) -> datetime:
        """Returns the wall clock's instant in UTC, to the millisecond."""
        ...

    def monotonic(self) -> float:
        """Returns the seconds since some instant. They never jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleeps, and lets other tasks work."""
        ...


class Ids(Protocol):
    """Random ids and numbers."""

    def ulid(self, now: datetime) -> str:
        """Returns 26 lower-case characters that sort by time."""
        ...

    def guid(self) -> str:
        """Returns a random GUID."""
        ...

    def jitter(self) -> float:
        """Returns a random number in [0, 1)."""
        ...
