"""The machine's clock and random numbers. Nothing else in the broker reads the clock or draws a random number."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ULID_LENGTH = 26
_RANDOM_BITS = 80
_JITTER_STEPS = 2**53


class SystemClock:
    """Satisfies ``Clock``."""

    def now(self) -> datetime:
        """Returns the wall clock's instant in UTC, cut to the millisecond."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Returns the seconds since some instant. They never jump."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleeps, and lets other tasks work."""
        await asyncio.sleep(seconds)


class SystemIds:
    """Satisfies ``Ids``. All randomness is the operating system's: nobody must be able to guess a lease's id."""

    def ulid(self, now: datetime) -> str:
        """Returns 48 bits of milliseconds and 80 random bits, in lower-case Crockford base 32 (https://github.com/ulid/spec)."""
        number = (now - _EPOCH) // _MILLISECOND << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_ULID_LENGTH)))

    def guid(self) -> str:
        """Returns a random GUID (version 4)."""
        return str(UUID(int=secrets.randbits(128), version=4))

    def jitter(self) -> float:
        """Returns a random number in [0, 1)."""
        return secrets.randbelow(_JITTER_STEPS) / _JITTER_STEPS
