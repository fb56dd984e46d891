"""Times of leases: how long a lock lasts, Azure takes to settle, a lease may be prepared and collected, and is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from shared.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class Leases:
    """Numbers are seconds. ``shared.broker.ports.Timing`` explains each."""

    retention: timedelta
    lock: float
    settle: float
    collect: float
    grace: float
    prepare: float

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. Each time has bounds within which the broker works."""
        return cls(
            retention=timedelta(days=reader.number("RETENTION_DAYS", 7, least=1, most=365)),
            lock=reader.number("HOLD_SECONDS", 20, least=1, most=300),
            settle=reader.number("SETTLE_SECONDS", 180, least=1, most=3600),
            collect=reader.number("COLLECT_SECONDS", 900, least=60, most=86_400),
            grace=reader.number("GRACE_SECONDS", 600, least=0, most=3600),
            prepare=reader.number("PREPARE_SECONDS", 900, least=60, most=3600),
        )
