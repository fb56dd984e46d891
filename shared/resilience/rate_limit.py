"""A rate limiter: keeps all calls of one worker to a service within the service's limit.

It is a token bucket that starts at the published limit. An answer that asks to wait (429 or 503) empties the bucket, halves
its refill, and closes it to every call for as long as the service asks. The refill then recovers slowly. Calls that wait are
served in order. Interactive calls go before background calls; after nine of them, one background call goes.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
"""The share of the bucket that background calls leave to a burst of interactive ones. A lowered bucket has no reserve."""
_TURNS = 9
"""Interactive calls to one background call while both wait."""
_LEAST_WAIT = 1.0
"""A refused call is asked to wait at least so many seconds."""
_SHORTEST_SLEEP = 0.001
_SERVICE_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Limit:
    """``size`` calls at once, ``refill`` a second for long: never more than ``size + refill * t`` in any ``t`` seconds."""

    size: float
    refill: float


@dataclass(slots=True)
class _Waiting:
    """Somebody who waits for a permit for ``count`` calls. ``granted`` results in the permit."""

    count: int
    priority: Priority
    granted: asyncio.Future[int]


class RateLimiter:
    """See the module. ``name`` names the limit in errors."""

    def __init__(self, name: str, limit: Limit, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._bucket = _TokenBucket(limit, clock.monotonic())
        self._callers: deque[_Waiting] = deque()
        self._background: deque[_Waiting] = deque()
        self._served_in_a_row = 0
        self._permit = 0
        self._server: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """Waits until one call may be made. Within, the caller makes it. If the call is throttled, ``note`` hears of it.

        Raises ``Throttled`` as ``acquire`` does.
        """
        permit = await self.acquire()
        try:
            yield
        except (Throttled, Unavailable) as result:
            self.note(permit, result)
            raise

    async def acquire(self, count: int = 1, *, deadline: float = math.inf) -> int:
        """Waits until ``count`` calls may be made. Returns the permit for them.

        Raises ``Throttled`` if that would be later than ``deadline``, or than the deadline of the priority in force.
        """
        asked = priority.current()
        asked = Priority(asked.background, min(asked.deadline, deadline))
        now = self._clock.monotonic()
        queues = (self._callers, self._background) if asked.background else (self._callers,)
        ahead = sum(each.count for queue in queues for each in queue if not each.granted.done())
        instant = self._bucket.open_at(count, now, reserved=asked.background, ahead=ahead)
        if now < instant and asked.deadline < instant:
            raise self._refusal(instant - now)
        waiting = _Waiting(count, asked, asyncio.get_running_loop().create_future())
        (self._background if asked.background else self._callers).append(waiting)
        self._serve_soon()
        return await waiting.granted

    def note(self, permit: int, result: Throttled | Unavailable) -> None:
        """Takes in a service's answer to a call under this permit. Calls that were under way together lower the rate once."""
        if isinstance(result, Throttled):
            self._bucket.close_until(self._clock.monotonic() + (result.retry_after or 0.0))
        elif result.status != _SERVICE_UNAVAILABLE:
            return
        if permit == self._permit:
            self._permit += 1
            self._bucket.lower(self._clock.monotonic())
        self._serve_soon()

    def _refusal(self, seconds: float) -> Throttled:
        return Throttled(f"no call is sent before the limit of {self._name} allows it", retry_after=seconds)

    def _serve_soon(self) -> None:
        """Serves all that can be served now, and sets the alarm for the others anew."""
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
        """Serves all that can be served. Returns the instant at which the next can be, or ``None`` if nobody waits."""
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
        """Whether enough interactive calls in a row went first, whether they had to wait or not."""
        return bool(self._background) and self._served_in_a_row >= _TURNS * self._background[0].count

    def _drop_late(self, now: float) -> bool:
        """Refuses those whose deadline comes before the service is open again. Returns whether there were any.

        Since they began to wait, the service was closed, or other calls went first.
        """
        opens = self._bucket.open_at(0, now)
        late = [
            each for each in (*self._callers, *self._background) if not each.granted.done() and each.priority.deadline < opens
        ]
        for each in late:
            each.granted.set_exception(self._refusal(max(opens - now, _LEAST_WAIT)))
        return bool(late)


class _TokenBucket:
    """The tokens. ``_share`` is the share of the limit that was in force at ``_lowered_at``. It grows from that instant on."""

    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._share = 1.0
        self._lowered_at = now
        self._level = limit.size
        self._at = now

    def open_at(self, count: int, now: float, *, reserved: bool = False, ahead: int = 0) -> float:
        """Returns the instant from which ``count`` tokens can be taken, after ``ahead`` others were.

        It is never before the service is open again. If ``reserved``, the reserve is left untouched.
        """
        self._fill(now)
        # A throttled bucket is empty. To fill a reserve for a burst that may come would hold up the calls that wait now.
        reserve = _RESERVE * self._limit.size * max(0.0, 2 * self._share_at(now) - 1) if reserved else 0.0
        # The bucket never has more than its size at once.
        missing = min(count + reserve, self._limit.size) + ahead - self._level if count else 0.0
        start = max(now, self._at)
        return start + missing / self._rate(now) if missing > 0 else start

    def take(self, count: int, now: float) -> None:
        """Takes ``count`` tokens out."""
        self._fill(now)
        self._level -= count

    def close_until(self, instant: float) -> None:
        """Empties the bucket, and closes it until ``instant``."""
        self._level = min(self._level, 0.0)
        self._at = max(self._at, instant)

    def lower(self, now: float) -> None:
        """Halves the refill in force, and empties the bucket."""
        self._share = max(_LEAST_SHARE, self._share_at(now) / 2)
        self.close_until(now)
        # While nothing is sent, nothing shows that the service takes more: the refill recovers from when it is open again.
        self._lowered_at = self._at

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self._limit.size, self._level + (now - self._at) * self._rate(now))
            self._at = now

    def _rate(self, now: float) -> float:
        return self._limit.refill * self._share_at(now)

    def _share_at(self, now: float) -> float:
        return min(1.0, self._share + max(0.0, now - self._lowered_at) / _RECOVERY_SECONDS)
