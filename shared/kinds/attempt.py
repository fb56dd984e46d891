"""Calls to Azure that may have to be tried again: a look for what may be absent, and a change whose answer may be lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.core.errors import Absent, Uncertain, Upstream
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_ABSENCE_PATIENCE = 10.0
"""Seconds for which an absent object is looked for again. Graph's reads are seconds behind its writes, not minutes."""


@dataclass(frozen=True, slots=True)
class Look:
    """How long an absent object is looked for again."""

    retry: Retry
    fresh: bool
    deadline: float

    async def at[T](self, call: Callable[[], Awaitable[T]], *, until: float | None = None) -> T:
        """Returns the call's result. Absence is doubted ``until`` then, and for some seconds if the object is fresh."""
        if until is None:
            if not self.fresh:
                return await self.retry.call(call, on=SAFE_TO_REPEAT, deadline=self.deadline)
            until = self.patience
        return await self.retry.call(call, on=(*SAFE_TO_REPEAT, Absent), deadline=min(self.deadline, until))

    @property
    def patience(self) -> float:
        """When an absent object has been looked for for long enough, if that begins now."""
        return self.retry.clock.monotonic() + _ABSENCE_PATIENCE


@dataclass(slots=True)
class Attempt:
    """One call, which may be tried several times. It ``may_have_worked`` unless Azure has certainly refused every try."""

    call: Callable[[], Awaitable[None]]
    may_have_worked: bool = False

    async def make(self) -> None:
        """Tries once. Raises what the call raises."""
        before, self.may_have_worked = self.may_have_worked, True
        try:
            await self.call()
        except Upstream as failure:
            self.may_have_worked = before or isinstance(failure, Uncertain)
            raise
