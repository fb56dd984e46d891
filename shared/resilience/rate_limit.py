"""A budget: how many calls one worker may make to a service, kept within the service's limit, for all its work together.

A token bucket that starts at the published limit. Being told to wait (429, or 503) empties it, halves its refill and
closes it for as long as the service says, for every call; the refill then recovers slowly. Whoever waits is served in turn:
callers before background work, which is never passed over for ever.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.core.errors import Throttled, Unavailable
from shared.core.ports.system import Clock
from shared.resilience import priority
from shared.resilience.priority import Priority

_LEAST_SHARE = 0.1
"""Of the limit: the refill is never lowered below it."""
_RECOVERY_SECONDS = 150.0
"""From nothing to the whole limit again: as long as the time over which Graph counts its writes."""
_RESERVE = 0.1
"""The share of the bucket that is left to callers, for a burst of theirs. There is none after the budget was lowered."""
_TURNS = 9
"""Calls for callers to one for background work while both wait."""
_LEAST_WAIT = 1.0
"""Seconds that whoever is refused is told to wait at least."""
_SHORTEST_SLEEP = 0.001
_SERVICE_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Limit:
    """``size`` calls at once, ``refill`` a second for long: never more than ``size + refill * t`` in any ``t`` seconds."""

    size: float
    refill: float


@dataclass(slots=True)
class _Waiting:
    """Somebody who waits for so many calls. The result is the permit."""

    count: int
    priority: Priority
    granted: asyncio.Future[int]


class RateLimiter:
    """See the module. ``name`` says in errors whose limit it is."""

    def __init__(self, name: str, limit: Limit, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._bucket = _Bucket(limit, clock.monotonic())
        self._callers: deque[_Waiting] = deque()
        self._background: deque[_Waiting] = deque()
        self._served_in_a_row = 0
        self._permit = 0
        self._server: asyncio.Task[None] | None = None

    async def run[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result, made when it is its turn.

        Raises what it raises, and ``Throttled`` without making it when its turn would come later than its urgency allows.
        """
        permit = await self.acquire()
        try:
            return await call()
        except (Throttled, Unavailable) as told:
            self.note(permit, told)
            raise

    async def acquire(self, count: int = 1, *, deadline: float = math.inf) -> int:
        """Returns a permit when that many calls may be made. Raises ``Throttled`` as ``run`` does."""
        asked = priority.current()
        asked = Priority(asked.background, min(asked.deadline, deadline))
        self._refuse_if_late(count, asked)
        waiting = _Waiting(count, asked, asyncio.get_running_loop().create_future())
        (self._background if asked.background else self._callers).append(waiting)
        self._serve_soon()
        return await waiting.granted

    def note(self, permit: int, told: Throttled | Unavailable) -> None:
        """The service's answer to a call under this permit. Calls that were under way together lower the budget once."""
        if isinstance(told, Throttled):
            self._bucket.close_until(self._clock.monotonic() + (told.retry_after or 0.0))
        elif told.status != _SERVICE_UNAVAILABLE:
            return
        if permit == self._permit:
            self._permit += 1
            self._bucket.lower(self._clock.monotonic())
        self._serve_soon()

    def _refuse_if_late(self, count: int, asked: Priority) -> None:
        now = self._clock.monotonic()
        queues = (self._callers, self._background) if asked.background else (self._callers,)
        ahead = sum(each.count for queue in queues for each in queue if not each.granted.done())
        instant = self._bucket.open_at(count, now, reserved=asked.background, ahead=ahead)
        if now < instant and asked.deadline < instant:
            raise self._refusal(instant - now)

    def _refusal(self, seconds: float) -> Throttled:
        return Throttled(f"no call is sent before the limit of {self._name} allows it", retry_after=seconds)

    def _serve_soon(self) -> None:
        """Serves whom it can now; for the others it sets the alarm anew."""
        if self._server is not None:
            self._server.cancel()
            self._server = None
        instant = self._served(self._clock.monotonic())
        if instant is not None:
            self._server = asyncio.ensure_future(self._serve_from(instant))

    async def _serve_from(self, instant: float | None) -> None:
        while instant is not None:
            await self._clock.sleep(max(instant - self._clock.monotonic(), _SHORTEST_SLEEP))
            instant = self._served(self._clock.monotonic())
        self._server = None

    def _served(self, now: float) -> float | None:
        """Serves all whose turn it is; the instant of the next turn, ``None`` when nobody waits."""
        instant = self._serve(now)
        return self._serve(now) if self._drop_late(now) else instant

    def _serve(self, now: float) -> float | None:
        while (waiting := self._next()) is not None:
            background = waiting.priority.background
            instant = self._bucket.open_at(waiting.count, now, reserved=background and not self._background_is_due())
            if instant > now:
                return instant
            self._bucket.take(waiting.count, now)
            self._served_in_a_row = 0 if background or not self._background else self._served_in_a_row + waiting.count
            (self._background if background else self._callers).popleft()
            waiting.granted.set_result(self._permit)
        return None

    def _next(self) -> _Waiting | None:
        for queue in (self._callers, self._background):
            while queue and queue[0].granted.done():
                queue.popleft()
        if self._callers and not self._background_is_due():
            return self._callers[0]
        return self._background[0] if self._background else None

    def _background_is_due(self) -> bool:
        """Callers went first for long enough, whether they had to wait or not."""
        return bool(self._background) and self._served_in_a_row >= _TURNS * self._background[0].count

    def _drop_late(self, now: float) -> bool:
        """Whether anybody was dropped: the service has been closed, or others went first, for longer than they may wait."""
        opens = self._bucket.open_at(0, now)
        late = [
            each for each in (*self._callers, *self._background) if not each.granted.done() and each.priority.deadline < opens
        ]
        for each in late:
            each.granted.set_exception(self._refusal(max(opens - now, _LEAST_WAIT)))
        return bool(late)


class _Bucket:
    """The tokens. ``_share`` of the limit is in force at ``_lowered_at``; it grows from there."""

    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._share = 1.0
        self._lowered_at = now
        self._level = limit.size
        self._at = now

    def open_at(self, count: int, now: float, *, reserved: bool = False, ahead: int = 0) -> float:
        """The instant from which so many may be taken, with as many ahead; never before the service is open again.

        ``reserved``: and the reserve is left.
        """
        self._fill(now)
        # After being throttled the bucket is empty, and filling it for a burst that may come would hold up what is there.
        reserve = _RESERVE * self._limit.size * max(0.0, 2 * self._share_at(now) - 1) if reserved else 0.0
        # More than the bucket holds is never there at once.
        missing = min(count + reserve, self._limit.size) + ahead - self._level if count else 0.0
        start = max(now, self._at)
        return start + missing / self._rate(now) if missing > 0 else start

    def take(self, count: int, now: float) -> None:
        """So many tokens less."""
        self._fill(now)
        self._level -= count

    def close_until(self, instant: float) -> None:
        """Empty, and closed up to then."""
        self._level = min(self._level, 0.0)
        self._at = max(self._at, instant)

    def lower(self, now: float) -> None:
        """Half of the refill that is in force; empty."""
        self._share = max(_LEAST_SHARE, self._share_at(now) / 2)
        self.close_until(now)
        # Waiting tells nothing: it recovers from when calls are made again.
        self._lowered_at = self._at

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self._limit.size, self._level + (now - self._at) * self._rate(now))
            self._at = now

    def _rate(self, now: float) -> float:
        return self._limit.refill * self._share_at(now)

    def _share_at(self, now: float) -> float:
        return min(1.0, self._share + max(0.0, now - self._lowered_at) / _RECOVERY_SECONDS)
