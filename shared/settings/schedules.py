"""When the timers fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class Schedules:
    """In the words of the Functions host, which reads the same settings and starts no timer without them."""

    sweep: str
    reconcile: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Takes what the host will judge as it is."""
        return cls(
            sweep=reader.required("SWEEP_SCHEDULE", str, ""),
            reconcile=reader.required("RECONCILE_SCHEDULE", str, ""),
        )
