"""The things that a worker has met last."""

from __future__ import annotations

from collections.abc import Hashable

_MOST = 512


class Recent[T: Hashable]:
    """Remembers the last 512 in memory alone: another worker has met others, and a new one none."""

    def __init__(self) -> None:
        self._met: dict[T, None] = {}

    def __contains__(self, one: T) -> bool:
        return one in self._met

    def note(self, one: T) -> None:
        """Notes that this one was met just now."""
        self._met.pop(one, None)
        self._met[one] = None
        if len(self._met) > _MOST:
            del self._met[next(iter(self._met))]

    def forget(self, one: T) -> None:
        """Forgets this one, if it is remembered."""
        self._met.pop(one, None)
