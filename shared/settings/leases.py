"""How long leases are locked, believed in and kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from shared.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class Leases:
    """In seconds unless said otherwise. ``shared.broker.ports.Timing`` says what each is for."""

    retention: timedelta
    lock: float
    settle: float

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Each within bounds in which the broker works."""
        return cls(
            retention=timedelta(days=reader.number("RETENTION_DAYS", 7, least=1, most=365)),
            lock=reader.number("HOLD_SECONDS", 20, least=1, most=300),
            settle=reader.number("SETTLE_SECONDS", 180, least=1, most=3600),
        )
