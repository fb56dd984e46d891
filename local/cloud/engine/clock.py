"""The local cloud's own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """The local cloud's own time: the machine's, moved forward on demand."""

    source: Callable[[], float] = time.time
    ahead: float = 0.0

    def now(self) -> float:
        """POSIX seconds."""
        return self.source() + self.ahead
