"""Holding a lease while working on it, so that the sweep takes over if, and only if, this worker dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from shared.broker.ports import Ports
from shared.core.errors import LostRace, Upstream
from shared.core.footprint import Footprint
from shared.core.lease import Lease
from shared.resilience.tasks import stop

log = logging.getLogger(__name__)


class LeaseLock:
    """A stored lease that this worker moves. Within ``async with`` its ``due_at`` is kept ahead of the clock.

    Every write goes through ``move``; one that finds the row changed raises ``LostRace``, and so does every later one.
    """

    def __init__(self, ports: Ports, lease: Lease) -> None:
        self._ports = ports
        self.undone_by = lease.undone_by
        """Of the attempts to end the lease before this hold."""
        self._lease = lease
        self._noted: Footprint | None = None
        self._writing = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None

    @property
    def lease(self) -> Lease:
        """The lease as last stored."""
        return self._lease

    def until(self) -> datetime:
        """The instant up to which a hold taken now lasts."""
        return self._ports.now() + timedelta(seconds=self._ports.timing.lease_lock)

    def note(self, footprint: Footprint) -> None:
        """What is known of the lease by now: every later move stores it as well."""
        self._noted = footprint

    async def move(self, change: Callable[[Lease], Lease]) -> Lease:
        """Stores the changed lease. Raises ``LostRace`` or ``Upstream``."""
        async with self._writing:
            changed = change(self._lease)
            if self._noted is not None:
                changed = changed.knowing(self._noted)
            self._lease = await self._ports.leases.swap(changed, former=self._lease)
            return self._lease

    async def release(self, change: Callable[[Lease], Lease]) -> Lease:
        """The last move: the lease is no longer kept ahead."""
        await self._stop()
        return await self.move(change)

    async def forget(self) -> None:
        """Removes a lease for which nothing was begun. Whoever moved it meanwhile is ending it, and finds nothing."""
        await self._stop()
        with suppress(LostRace):
            await self._ports.leases.remove(self._lease)

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _beat(self) -> None:
        while True:
            await self._ports.clock.sleep(self._ports.timing.lease_lock / 3)
            try:
                await self.move(lambda lease: lease.locked_until(self.until()))
            except LostRace:
                return
            except Upstream:
                log.warning("the hold on lease %s could not be renewed", self._lease.id, exc_info=True)

    async def _stop(self) -> None:
        if (beating := self._beating) is not None:
            try:
                async with self._writing:
                    pass  # a renewal that is under way comes to its end
            finally:
                # Also when this task itself is cancelled: nothing may go on holding the lease.
                beating.cancel()
                self._beating = None
            await stop(beating, log, f"keeping the hold on lease {self._lease.id}")
