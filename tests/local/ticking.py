"""The local cloud's clock, as a test commands it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Ticking:
    """A clock that stands still until it is moved."""

    at: float = 1_800_000_000.25

    def __call__(self) -> float:
        """POSIX seconds."""
        return self.at
