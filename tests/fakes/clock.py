"""Time and chance that a test commands."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
WORKER: ContextVar[str] = ContextVar("worker", default="")
"""Who is at work, where a world has several: each draws chance of its own."""
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


class FakeClock:
    """Virtual time. It moves when a test says so, and when everybody in the event loop waits for it: then to the next waker.

    So concurrent tasks interleave in the order of their instants, and no test ever waits. Two clocks in one loop would wait for
    each other: a test has one world.
    """

    def __init__(self) -> None:
        self.moves_by_itself = True
        """Else it stands still until ``wake_next``."""
        self._seconds = 0.0
        self._astray = timedelta()
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._turning_in: asyncio.AbstractEventLoop | None = None

    def now(self) -> datetime:
        """What the broker's wall clock shows. Cut to the millisecond, as the product's clock does."""
        return self.truth() + self._astray

    def truth(self) -> datetime:
        """What every other clock in the world shows, Entra's as well."""
        passed = timedelta(seconds=self._seconds)
        return START + passed // _MILLISECOND * _MILLISECOND

    def go_astray(self, seconds: float) -> None:
        """The broker's wall clock is set so much forth, or back, and no time passes."""
        self._astray += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Seconds, of which a thousand have passed at the start."""
        return 1000.0 + self._seconds

    def jump(self, seconds: float) -> None:
        """Time passes at once, and whoever sleeps wakes late: a machine that was frozen."""
        self._seconds += seconds

    async def sleep(self, seconds: float) -> None:
        """Returns when virtual time has come so far."""
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        heappush(self._sleepers, (self._seconds + seconds, next(self._order), woken))
        self._turn_soon(loop)
        await woken

    def _turn_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.moves_by_itself and self._turning_in is not loop:
            self._turning_in = loop
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turning_in = None
        # asyncio tells nobody whether it is idle.
        if loop._ready or (self.wake_next() and self._sleepers):  # type: ignore[attr-defined]
            self._turn_soon(loop)

    def wake_next(self) -> bool:
        """Moves to the instant of the sleeper who is next, and wakes it; whether there was one."""
        while self._sleepers:
            instant, _, woken = heappop(self._sleepers)
            if not woken.done():
                self._seconds = max(self._seconds, instant)
                woken.set_result(None)
                return True
        return False


class FixedIds:
    """Chance from a seed: the same in every run."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._drawn: dict[str, Random] = {}

    @property
    def _random(self) -> Random:
        worker = WORKER.get()
        if worker not in self._drawn:
            self._drawn[worker] = Random(f"{self._seed} {worker}" if worker else self._seed)
        return self._drawn[worker]

    def ulid(self, now: datetime) -> str:
        """48 bits of milliseconds, 80 bits of chance."""
        number = int(now.timestamp() * 1000) << 80 | self._random.getrandbits(80)
        return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(26)))

    def guid(self) -> str:
        """A random GUID."""
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def jitter(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()
