"""Trying again: which failures pass by themselves, how long to wait between attempts, and when to give up."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.core.errors import ConcurrentChange, NotReplicated, Throttled, Uncertain, Upstream
from shared.core.ports.system import Clock, Ids
from shared.core.preparing import OutOfTime
from shared.resilience import priority

TRANSIENT: tuple[type[Upstream], ...] = (Throttled, NotReplicated, ConcurrentChange)
"""The call had no effect, and the same call will soon succeed."""
SAFE_TO_REPEAT: tuple[type[Upstream], ...] = (*TRANSIENT, Uncertain)
"""For calls that do no harm when they are made twice: an uncertain call may have had its effect."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Repeats calls after growing, jittered pauses. Obeys ``Retry-After``."""

    clock: Clock
    ids: Ids

    async def call[T](
        self,
        call: Callable[[], Awaitable[T]],
        *,
        on: tuple[type[Upstream], ...],
        deadline: float,
        in_time: bool = False,
    ) -> T:
        """Returns the call's result. While it raises one of ``on`` and a next try can begin before ``deadline``, repeats it.

        Raises what the last try raised, which says whether an earlier one is in doubt. If ``in_time``, the first try must
        begin before ``deadline`` too: else raises ``OutOfTime``. If ``on`` has ``Throttled``, the call waits for the rate
        limiter until ``deadline`` at most. The deadline of the priority in force (``shared.resilience.priority``) bounds every
        wait for Azure's limits too.
        """
        if in_time and self.clock.monotonic() >= deadline:
            raise OutOfTime("the time for this operation is used up")
        bound = deadline if Throttled in on else math.inf
        pause, in_doubt = _FIRST_PAUSE, False
        while True:
            try:
                with priority.limit_deadline(bound):
                    return await call()
            except Upstream as error:
                error.is_after_doubt |= in_doubt
                if not isinstance(error, on):
                    raise
                rest = self._rest(error, pause)
                latest = min(deadline, priority.current().deadline) if isinstance(error, Throttled) else deadline
                if self.clock.monotonic() + rest >= latest:
                    raise
                in_doubt = error.is_after_doubt or isinstance(error, Uncertain)
            await self.clock.sleep(rest)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _rest(self, error: Upstream, pause: float) -> float:
        asked = error.retry_after if isinstance(error, Throttled) else None
        return (asked or 0.0) + pause * (0.5 + self.ids.jitter())
