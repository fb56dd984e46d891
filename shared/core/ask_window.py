"""What one caller has asked for within the last 60 seconds: the asks that were counted, and those that were refused.

A window is a value. It is read and replaced as a whole, so two workers cannot both count the last ask that there is room for.
Each ask has an id: a worker whose write was not answered sees whether its ask is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

LENGTH = timedelta(seconds=60)


class AskType(StrEnum):
    """The kinds of asks. Each is counted apart from the other."""

    ISSUE = "issue"
    """A lease was opened for it."""
    REFUSED = "refused"
    """The caller may not issue from the role, or there is no such role."""


@dataclass(frozen=True, slots=True)
class AskWindow:
    """The asks of one caller, by kind and id, each with its instant. ``version`` is the stored row's ETag; empty if none is."""

    asks: Mapping[tuple[AskType, str], datetime] = field(default_factory=dict)
    version: str = ""

    def has(self, kind: AskType, ask_id: str) -> bool:
        """Returns whether that ask is counted."""
        return (kind, ask_id) in self.asks

    def wait(self, kind: AskType, most: int, now: datetime) -> int | None:
        """Returns the seconds, 1 to 60, until one more ask has room. Returns ``None`` if it has room now."""
        counted = sorted(self._counted(kind, now), reverse=True)
        if len(counted) < most:
            return None
        rest = counted[most - 1] + LENGTH - now
        return min(max(ceil(rest.total_seconds()), 1), int(LENGTH.total_seconds()))

    def counting(self, kind: AskType, ask_id: str, now: datetime) -> AskWindow:
        """Returns the window with one more ask, and without those that count no more."""
        left = {key: at for key, at in self.asks.items() if _counts(at, now)}
        return replace(self, asks={**left, (kind, ask_id): now})

    def _counted(self, kind: AskType, now: datetime) -> Iterator[datetime]:
        return (at for (each, _), at in self.asks.items() if each is kind and _counts(at, now))


def _counts(at: datetime, now: datetime) -> bool:
    """An instant far ahead was written by a clock that was wrong: it must not keep the caller out until then."""
    return now - LENGTH < at < now + LENGTH
