"""The lock on an application: one change at a time, among all workers of the deployment.

Entra ID takes one change of an object at a time and refuses another with ``Directory_ConcurrencyViolation``. A worker that is
refused waits and tries again. The lock makes that rare. It also keeps a count that was made before a change true until the
change is made. Nothing depends on the lock: two workers that hold it at once meet Entra's refusal, and nothing worse.

The lock is a record with a deadline. Its holder pushes the deadline on. If the holder dies, nobody does, and the next worker
takes the lock. A waiter also takes a lock that it has seen unchanged for as long as a lock lasts: so a wrong clock on another
machine does not keep the waiter waiting.
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
from shared.resilience.heartbeat import Heartbeat
from shared.resilience.tasks import to_its_end

log = logging.getLogger(__name__)

LASTS = 10.0
"""Seconds for which the lock is taken. Its holder renews it at a third of that. A dead holder is waited for at most so long."""
IN_A_ROW = 8
"""How often a worker takes the lock in a row while calls of its own wait. Then it lets other workers have it."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 0.5
_LET_OTHERS = 1.5 * _LONGEST_PAUSE + 0.05
"""Seconds for which it lets them. Longer than the longest pause between two looks, jitter included: each waiter looks once."""


class LockStore(Protocol):
    """The store of locks: at most one an application. Every method may raise ``Upstream``."""

    async def take(self, lock: LockRecord, *, former: LockRecord | None) -> LockRecord:
        """Stores the record where there is none, or in place of an unchanged ``former``. Returns it with its version.

        Raises ``LostRace``. If the answer to a write of this call was lost, the write counts as made.
        """
        ...

    async def get(self, application_id: ObjectId) -> LockRecord | None:
        """The record, whether or not its deadline is past."""
        ...

    async def release(self, lock: LockRecord) -> None:
        """Removes the record if it has not changed. A record that another worker has taken over stays."""
        ...


@dataclass(slots=True)
class _Waiters:
    """The calls of this worker that want to change one application, and the one that does."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class ApplicationLock:
    """See the module. The calls of one worker line up in memory: only the first of them asks the store."""

    locks: LockStore
    clock: Clock
    ids: Ids
    lasts: float = LASTS
    _waiters: dict[ObjectId, _Waiters] = field(default_factory=dict)

    @asynccontextmanager
    async def holding(self, application_id: ObjectId, *, deadline: float) -> AsyncIterator[None]:
        """Waits for the lock and holds it within. ``deadline`` is on the monotonic clock.

        Raises ``ConcurrentChange`` if the lock cannot be had in time, ``Upstream`` if storage fails.
        """
        async with self._in_line(application_id, deadline) as waiters:
            if waiters.in_a_row >= IN_A_ROW:
                await self.clock.sleep(_LET_OTHERS)
                waiters.in_a_row = 0
            waiters.in_a_row += 1
            held = _HeldLock(self, await self._acquire(application_id, deadline))
            try:
                yield
            finally:
                await to_its_end(held.release())

    @asynccontextmanager
    async def _in_line(self, application_id: ObjectId, deadline: float) -> AsyncIterator[_Waiters]:
        waiters = self._waiters.setdefault(application_id, _Waiters())
        waiters.waiting += 1
        try:
            if not await self._waited(waiters, deadline):
                raise _late()
            try:
                yield waiters
            finally:
                waiters.lock.release()
        finally:
            waiters.waiting -= 1
            if not waiters.waiting:
                del self._waiters[application_id]

    async def _waited(self, waiters: _Waiters, deadline: float) -> bool:
        """Waits for this worker's own lock. Returns whether it was acquired in time. First come, first served."""
        if waiters.waiting == 1:
            return await waiters.lock.acquire()
        acquiring = asyncio.ensure_future(waiters.lock.acquire())
        alarm = asyncio.ensure_future(self.clock.sleep(max(0.0, deadline - self.clock.monotonic())))
        try:
            await asyncio.wait({acquiring, alarm}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if acquiring.done():
                waiters.lock.release()
            raise
        finally:
            alarm.cancel()
            acquiring.cancel()
        # No await may follow here: a call that is cancelled at an await would keep the lock.
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

    async def _take(self, record: LockRecord, former: LockRecord | None) -> LockRecord:
        """Takes the lock. If the call is cancelled meanwhile, releases the lock: the next call would wait for the deadline."""
        taking = asyncio.ensure_future(self.locks.take(record, former=former))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(LostRace, Upstream):
                await self.locks.release(await taking)
            raise

    def until(self) -> datetime:
        """Returns the instant until which a lock that is taken or renewed now lasts."""
        return self.clock.now() + timedelta(seconds=self.lasts)


def _late() -> ConcurrentChange:
    return ConcurrentChange("others were changing the application for all of the time that there was")


@dataclass(slots=True)
class _Takeover:
    """What a waiter has seen of the lock that another worker holds."""

    locking: ApplicationLock
    seen: str = ""
    since: float = 0.0

    def is_over(self, lock: LockRecord) -> bool:
        """Returns whether the lock's deadline is past, or whether nobody has renewed it for as long as a lock lasts."""
        now = self.locking.clock.monotonic()
        if lock.version != self.seen:
            self.seen, self.since = lock.version, now
        return lock.until <= self.locking.clock.now() or now - self.since >= self.locking.lasts


class _HeldLock:
    """The lock while this worker holds it. A heartbeat keeps its deadline ahead of the clock until ``release``."""

    def __init__(self, locking: ApplicationLock, record: LockRecord) -> None:
        self._locking = locking
        self._record = record
        what = f"the lock on application {record.application_id}"
        self._heartbeat = Heartbeat(locking.clock, locking.lasts / 3, self._renew, what)

    async def release(self) -> None:
        """Releases the lock for the next worker. If storage fails, the next worker waits for the deadline."""
        await self._heartbeat.stop()
        try:
            await self._locking.locks.release(self._record)
        except Upstream:
            log.warning("the lock on application %s could not be released", self._record.application_id, exc_info=True)

    async def _renew(self) -> None:
        wanted = replace(self._record, until=self._locking.until())
        self._record = await self._locking.locks.take(wanted, former=self._record)
