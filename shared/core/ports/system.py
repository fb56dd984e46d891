"""Time and chance, as ports. Nothing else in the broker reads a clock or draws a number."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time. Nothing else in the broker reads it."""

    def now(self) -> datetime:
        """The wall clock, in UTC, to the millisecond."""
        ...

    def monotonic(self) -> float:
        """Seconds since some instant; never jumps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Lets others work meanwhile."""
        ...


class Ids(Protocol):
    """Chance. Nothing else in the broker draws it."""

    def ulid(self, now: datetime) -> str:
        """26 lower-case characters that sort by time."""
        ...

    def guid(self) -> str:
        """A random GUID."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1)."""
        ...
