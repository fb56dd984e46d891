"""How long the last preparations of a role took in this worker: so a caller is told when it is worth asking again."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from statistics import median

_LAST = 16
_LEAST, _MOST, _UNKNOWN = 5, 30, 15
"""Seconds. Logic Apps ask every 20 s by themselves:
https://learn.microsoft.com/azure/logic-apps/logic-apps-create-api-app#perform-long-running-tasks-with-the-polling-action-pattern.
"""


class Pace:
    """Remembers durations in memory alone: another worker knows others, and a new one knows none."""

    def __init__(self) -> None:
        self._took: dict[Hashable, deque[float]] = {}

    def note(self, name: Hashable, seconds: float) -> None:
        """Notes that one preparation under that name took so long."""
        self._took.setdefault(name, deque(maxlen=_LAST)).append(seconds)

    def after(self, name: Hashable) -> int:
        """Returns the seconds after which it is worth asking again: 5 to 30, the median of the last sixteen, or 15."""
        took = self._took.get(name)
        return _UNKNOWN if not took else min(_MOST, max(_LEAST, round(median(took))))
