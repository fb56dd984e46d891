"""Taking turns at changing an application: one change at a time, among all workers of the deployment.

Entra ID takes one change of an object at a time and refuses another with ``Directory_ConcurrencyViolation``. Who meets that
waits and tries again; turns make it rare, and keep what was counted before a change true until it is made. They are a courtesy,
not a lock that anything depends on: two that hold a turn at once meet Entra's refusal, and nothing worse.

A turn is a record with a deadline. Whoever holds it pushes the deadline on; a holder that dies stops pushing, and the next one
takes its place. A waiter also takes over what it has seen unchanged for as long as a turn lasts: so no clock that is wrong on
another machine keeps it waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from shared.core.application_lock import LockRecord
from shared.core.errors import ConcurrentChange, LostRace, Upstream
from shared.core.names import ObjectId
from shared.core.ports.system import Clock, Ids
from shared.resilience.tasks import stop, to_its_end

log = logging.getLogger(__name__)

LASTS = 10.0
"""Seconds for which a turn is taken; its holder renews it at a third of that. So long at most is a dead holder waited for."""
IN_A_ROW = 8
"""Turns that one worker takes one after the other while others of its own wait; then it lets other workers have theirs."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 0.5
_LET_OTHERS = 1.5 * _LONGEST_PAUSE + 0.05
"""Longer than the longest pause between two looks, jitter included: whoever waits elsewhere looks meanwhile."""


class LockStore(Protocol):
    """The store of turns: at most one an application. Every method may raise ``Upstream``."""

    async def take(self, lock: LockRecord, *, former: LockRecord | None) -> LockRecord:
        """Stores it where there is none, or in place of ``former`` if that is still as it was; gives it with its version.

        Raises ``LostRace``. A write that this very call has made already, its answer lost, counts as made.
        """
        ...

    async def get(self, application_id: ObjectId) -> LockRecord | None:
        """Who has the turn, whether or not its time is over."""
        ...

    async def release(self, lock: LockRecord) -> None:
        """Removes it if it is still as it was; what somebody else has taken over stays as it is."""
        ...


@dataclass(slots=True)
class _Waiters:
    """Those of this worker who want to change one application, the one who does included."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class ApplicationLock:
    """See the module. Those of one worker line up in memory, so that only the first of them asks the store."""

    locks: LockStore
    clock: Clock
    ids: Ids
    lasts: float = LASTS
    _lines: dict[ObjectId, _Waiters] = field(default_factory=dict)

    @asynccontextmanager
    async def holding(self, application_id: ObjectId, *, deadline: float) -> AsyncIterator[None]:
        """Waits for its turn and holds it within. ``deadline`` is on the monotonic clock.

        Raises ``ConcurrentChange`` when its turn does not come in time, ``Upstream`` when storage fails.
        """
        async with self._lined_up(application_id, deadline) as line:
            if line.in_a_row >= IN_A_ROW:
                await self.clock.sleep(_LET_OTHERS)
                line.in_a_row = 0
            line.in_a_row += 1
            held = _HeldLock(self, await self._acquire(application_id, deadline))
            try:
                yield
            finally:
                await to_its_end(held.release())

    @asynccontextmanager
    async def _lined_up(self, application_id: ObjectId, deadline: float) -> AsyncIterator[_Waiters]:
        line = self._lines.setdefault(application_id, _Waiters())
        line.waiting += 1
        try:
            if not await self._acquired(line, deadline):
                raise _late()
            try:
                yield line
            finally:
                line.lock.release()
        finally:
            line.waiting -= 1
            if not line.waiting:
                del self._lines[application_id]

    async def _acquired(self, line: _Waiters, deadline: float) -> bool:
        """Whether the line's lock was had in time. The first come is the first served."""
        if line.waiting == 1:
            return await line.lock.acquire()
        acquiring = asyncio.ensure_future(line.lock.acquire())
        alarm = asyncio.ensure_future(self.clock.sleep(max(0.0, deadline - self.clock.monotonic())))
        try:
            await asyncio.wait({acquiring, alarm}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if acquiring.done():
                line.lock.release()
            raise
        finally:
            alarm.cancel()
            acquiring.cancel()
        # Without another await: who is cancelled at one would keep the lock.
        return acquiring.done()

    async def _acquire(self, application_id: ObjectId, deadline: float) -> LockRecord:
        watch, pause = _Takeover(self), _FIRST_PAUSE
        former: LockRecord | None = None
        while True:
            if former is None or watch.is_over(former):
                with suppress(LostRace):
                    return await self._take(LockRecord(application_id, self.ids.guid(), self.until()), former)
            rest = pause * (0.5 + self.ids.jitter())
            if self.clock.monotonic() + rest >= deadline:
                raise _late()
            await self.clock.sleep(rest)
            pause = min(2 * pause, _LONGEST_PAUSE)
            former = await self.locks.get(application_id)

    async def _take(self, lock: LockRecord, former: LockRecord | None) -> LockRecord:
        """Who is cancelled meanwhile gives back what it has got, or the next one would wait until its deadline."""
        taking = asyncio.ensure_future(self.locks.take(lock, former=former))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(LostRace, Upstream):
                await self.locks.release(await taking)
            raise

    def until(self) -> datetime:
        """The instant up to which a turn taken now lasts."""
        return self.clock.now() + timedelta(seconds=self.lasts)


def _late() -> ConcurrentChange:
    return ConcurrentChange("others were changing the application for all of the time that there was")


@dataclass(slots=True)
class _Takeover:
    """What a waiter has seen of the turn that is held."""

    taking: ApplicationLock
    seen: str = ""
    since: float = 0.0

    def is_over(self, lock: LockRecord) -> bool:
        """Whether its deadline is past, or nobody has renewed it for as long as it lasts."""
        now = self.taking.clock.monotonic()
        if lock.version != self.seen:
            self.seen, self.since = lock.version, now
        return lock.until <= self.taking.clock.now() or now - self.since >= self.taking.lasts


class _HeldLock:
    """A turn that this worker has; its deadline is kept ahead of the clock until it is given back."""

    def __init__(self, taking: ApplicationLock, lock: LockRecord) -> None:
        self._taking = taking
        self._turn = lock
        self._writing = asyncio.Lock()
        self._beating = asyncio.create_task(self._beat())

    async def release(self) -> None:
        """Lets the next one in. When storage fails, the deadline does."""
        try:
            async with self._writing:
                pass  # a renewal that is under way has come to its end
        finally:
            self._beating.cancel()
        await stop(self._beating, log, f"keeping the turn at application {self._turn.application_id}")
        try:
            await self._taking.locks.release(self._turn)
        except Upstream:
            log.warning("the turn at application %s could not be given back", self._turn.application_id, exc_info=True)

    async def _beat(self) -> None:
        while True:
            await self._taking.clock.sleep(self._taking.lasts / 3)
            try:
                async with self._writing:
                    wanted = replace(self._turn, until=self._taking.until())
                    self._turn = await self._taking.locks.take(wanted, former=self._turn)
            except LostRace:
                log.warning("the turn at application %s was taken over", self._turn.application_id)
                return
            except Upstream:
                log.warning("the turn at application %s could not be renewed", self._turn.application_id, exc_info=True)
