"""The lock on one lease. While a live worker holds it, no sweep takes the lease up. If the worker dies, the next sweep does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from shared.broker.ports import Ports
from shared.core.errors import LostRace
from shared.core.footprint import Footprint
from shared.core.lease import Lease
from shared.resilience.heartbeat import Heartbeat


class LeaseLock:
    """A stored lease that this worker moves. Within ``async with``, a heartbeat keeps its ``due_at`` ahead of the clock.

    Every write goes through ``move``. If another worker has changed the row, ``move`` raises ``LostRace``, and so does every
    later move.
    """

    def __init__(self, ports: Ports, lease: Lease) -> None:
        self._ports = ports
        self.undone_by = lease.undone_by
        """The instant by which the attempts to end the lease before this lock are over."""
        self._lease = lease
        self._noted: dict[int, Footprint] = {}
        self._undone: set[int] = set()
        self._writing = asyncio.Lock()
        self._heartbeat: Heartbeat | None = None

    @property
    def lease(self) -> Lease:
        """The lease as last stored."""
        return self._lease

    @property
    def known(self) -> Lease:
        """The lease with what was noted since: as the next move stores it, but for the change that the move makes."""
        known = self._lease.without(self._undone)
        for place, footprint in self._noted.items():
            known = known.knowing(footprint, place)
        return known

    def until(self) -> datetime:
        """Returns the instant until which a lock that is taken or renewed now lasts."""
        return self._ports.now() + timedelta(seconds=self._ports.timing.lease_lock)

    def note(self, footprint: Footprint, place: int = 0) -> None:
        """Keeps a footprint of that part of the lease that knows more: every later move stores it as well."""
        self._noted[place] = footprint

    def note_undone(self, place: int) -> None:
        """Keeps that the part is undone while others are left: every later move stores it as well."""
        self._undone.add(place)

    async def move(self, change: Callable[[Lease], Lease]) -> Lease:
        """Stores the changed lease. Raises ``LostRace`` or ``Upstream``."""
        async with self._writing:
            self._lease = await self._ports.leases.swap(change(self.known), former=self._lease)
            return self._lease

    async def release(self, change: Callable[[Lease], Lease]) -> Lease:
        """Ends the heartbeat, and makes the last move."""
        await self._stop()
        return await self.move(change)

    async def while_held[T](self, looking: Awaitable[T]) -> T:
        """Returns the result of work that looks, and leaves nothing behind that the end of the lease does not take along.

        If another worker moves the lease meanwhile, cancels the work and raises ``LostRace``: a third of ``Timing.lease_lock``
        after that move at the latest.
        """
        if self._heartbeat is None:
            return await looking
        working, losing = asyncio.ensure_future(looking), asyncio.ensure_future(self._heartbeat.lost.wait())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LostRace("another worker has moved the lease")
            return working.result()
        finally:
            for each in (working, losing):
                each.cancel()
            await asyncio.gather(working, losing, return_exceptions=True)

    async def forget(self) -> None:
        """Removes a lease for which nothing was made. If another worker has moved it meanwhile, that worker ends it."""
        await self._stop()
        with suppress(LostRace):
            await self._ports.leases.remove(self._lease)

    async def __aenter__(self) -> Self:
        self._heartbeat = Heartbeat(
            self._ports.clock,
            self._ports.timing.lease_lock / 3,
            lambda: self.move(lambda lease: lease.locked_until(self.until())),
            f"the lock on lease {self._lease.id}",
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        if self._heartbeat is not None:
            await self._heartbeat.stop()
