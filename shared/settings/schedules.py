"""When the timers fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class Schedules:
    """Cron expressions. The Functions host reads the same settings, and starts no timer without them."""

    sweep: str
    reconcile: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. The host itself checks the expressions."""
        return cls(
            sweep=reader.required("SWEEP_SCHEDULE", str, ""),
            reconcile=reader.required("RECONCILE_SCHEDULE", str, ""),
        )
