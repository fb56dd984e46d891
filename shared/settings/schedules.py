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
    fill: str
    """Empty if the host is to fill no pools: a template from before there were pools does not set it."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. The host itself checks the expressions."""
        return cls(
            sweep=reader.required("SWEEP_SCHEDULE", str, ""),
            reconcile=reader.required("RECONCILE_SCHEDULE", str, ""),
            fill=reader.optional("FILL_SCHEDULE", str) or "",
        )
