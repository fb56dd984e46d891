"""Trying again: which failures pass by themselves, how long to wait between attempts, and when to give up."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.core.errors import ConcurrentChange, NotReplicated, Throttled, Uncertain, Unreachable, Upstream
from shared.core.ports.system import Clock, Ids
from shared.resilience import priority

TRANSIENT: tuple[type[Upstream], ...] = (Throttled, NotReplicated, ConcurrentChange)
"""Nothing has happened, and soon the same call will do."""
SAFE_TO_REPEAT: tuple[type[Upstream], ...] = (*TRANSIENT, Uncertain)
"""The same for calls that may be made twice: something may have happened, and once more does no harm."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Repeats calls with growing, jittered pauses; obeys ``Retry-After``."""

    clock: Clock
    ids: Ids

    async def call[T](self, call: Callable[[], Awaitable[T]], *, on: tuple[type[Upstream], ...], deadline: float) -> T:
        """The call's result. Raises what it raised last when it is not among ``on``, or when waiting would take too long.

        Whoever repeats what is throttled also bounds how long the call may wait for its budget. A wait for Azure's limits is
        besides bounded by the urgency of the work (``shared.resilience.priority``).
        """
        bound = deadline if Throttled in on else math.inf
        pause = _FIRST_PAUSE
        while True:
            try:
                with priority.limit_deadline(bound):
                    return await call()
            except on as error:
                rest = self._rest(error, pause)
                latest = min(deadline, priority.current().deadline) if isinstance(error, Throttled) else deadline
                if self.clock.monotonic() + rest >= latest:
                    raise
            await self.clock.sleep(rest)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def call_in_time[T](self, call: Callable[[], Awaitable[T]], *, on: tuple[type[Upstream], ...], deadline: float) -> T:
        """The same for a step that must not even begin after ``deadline``; raises ``Unreachable`` then."""
        if self.clock.monotonic() >= deadline:
            raise Unreachable("the time for this operation is used up")
        return await self.call(call, on=on, deadline=deadline)

    def _rest(self, error: Upstream, pause: float) -> float:
        asked = error.retry_after if isinstance(error, Throttled) else None
        return (asked or 0.0) + pause * (0.5 + self.ids.jitter())
