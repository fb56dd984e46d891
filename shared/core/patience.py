"""Trying again: which failures pass by themselves, how long to wait between attempts, and when to give up."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.core import urgency
from shared.core.errors import ConcurrentChange, NotReplicated, Throttled, Uncertain, Unreachable, Upstream
from shared.core.ports import Clock, Ids

PASSING: tuple[type[Upstream], ...] = (Throttled, NotReplicated, ConcurrentChange)
"""Nothing has happened, and soon the same call will do."""
REPEATABLE: tuple[type[Upstream], ...] = (*PASSING, Uncertain)
"""The same for calls that may be made twice: something may have happened, and once more does no harm."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Repeats calls with growing, jittered pauses; obeys ``Retry-After``."""

    clock: Clock
    ids: Ids

    async def keep_trying[T](self, call: Callable[[], Awaitable[T]], *, on: tuple[type[Upstream], ...], wait_until: float) -> T:
        """The call's result. Raises what it raised last when it is not among ``on``, or when waiting would take too long.

        Whoever repeats what is throttled also bounds how long the call may wait for its budget. A wait for Azure's limits is
        besides bounded by the urgency of the work (``shared.core.urgency``).
        """
        bound = wait_until if Throttled in on else math.inf
        pause = _FIRST_PAUSE
        while True:
            try:
                with urgency.answering_by(bound):
                    return await call()
            except on as error:
                rest = self._rest(error, pause)
                latest = min(wait_until, urgency.current().wait_until) if isinstance(error, Throttled) else wait_until
                if self.clock.monotonic() + rest >= latest:
                    raise
            await self.clock.sleep(rest)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def begin_in_time[T](
        self, call: Callable[[], Awaitable[T]], *, on: tuple[type[Upstream], ...], wait_until: float
    ) -> T:
        """The same for a step that must not even begin after ``wait_until``; raises ``Unreachable`` then."""
        if self.clock.monotonic() >= wait_until:
            raise Unreachable("the time for this operation is used up")
        return await self.keep_trying(call, on=on, wait_until=wait_until)

    def _rest(self, error: Upstream, pause: float) -> float:
        asked = error.retry_after if isinstance(error, Throttled) else None
        return (asked or 0.0) + pause * (0.5 + self.ids.jitter())


async def stop(work: asyncio.Task[None], log: logging.Logger, what: str) -> None:
    """Ends work that nobody awaits, and waits until it has ended. If it broke before, the log says so of ``what``."""
    work.cancel()
    # Gathered: that the task which waits here is cancelled meanwhile must not be taken for the end of the other.
    (result,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(result, Exception):
        log.error("%s broke", what, exc_info=result)


async def to_its_end[T](work: Awaitable[T]) -> T:
    """Its result. Who is cancelled meanwhile waits for the end of the work all the same, and is cancelled then."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise


async def both[A, B](one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """``all_of`` for two of different kinds."""
    first, second = await asyncio.gather(one, other, return_exceptions=True)
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        raise second
    return first, second


async def all_of[T](*work: Awaitable[T]) -> list[T]:
    """Runs everything to its end at once, then raises the first failure: nothing is left under way."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
