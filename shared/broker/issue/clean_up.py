"""Takes back what one worker has begun to make for a lease that it has locked."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ending.undo import Freshness, undo
from shared.broker.issue.mint import Minting
from shared.broker.ports import Ports
from shared.core.errors import LeaseholdError, LostRace
from shared.core.lease import Cause, Lease, State
from shared.resilience.priority import in_background

log = logging.getLogger(__name__)

_TRIES = 3
"""To take a failed lease over from whoever moved it: only a hold's renewal may come in between."""


@dataclass(slots=True)
class CleanUp:
    """``minting`` knows what was made. ``code``: the error that whoever collects the lease is told, if it can be collected."""

    ports: Ports
    request_id: str
    lock: LeaseLock
    minting: Minting
    code: str = ""
    cause: Cause = Cause.FAILED
    """Why the lease ends."""

    @property
    def has_made_nothing(self) -> bool:
        """Whether no id was learned: if anything was made, its answer was lost."""
        return self.minting.learned == self.minting.planned

    async def leave_to_sweep(self) -> None:
        """To the sweep, ending already: deleting would be throttled as well, and the caller is to come back, not to wait."""
        try:
            if await self._claimed() is None:
                await self.run()
        except LeaseholdError:
            log.warning("lease %s is left to the sweep as it stands", self.lock.lease.id, exc_info=True)

    async def run(self) -> None:
        """As far as possible at once; the rest is the sweep's, which finds the lease as it stands."""
        try:
            # What the next caller is waiting for goes first.
            with in_background():
                await self._end()
        except LeaseholdError:
            log.warning("lease %s is left to the sweep", self.lock.lease.id, exc_info=True)

    async def _end(self) -> None:
        if (lease := await self._claimed()) is None:
            # Ended already, by a worker that may not have found all that was made here, and has deleted the rest just now.
            # No other worker looks again before the reconciliation: so this one is as patient as a sweep.
            deadline = self.ports.within(self.ports.timing.sweep_undo)
            await self.minting.kind.issuer.undo(self.minting.learned, fresh=True, deadline=deadline, again=True)
            for part in self.lock.lease.parts[1:]:
                await self.ports.kinds.part_of(part).issuer.undo(part, fresh=True, deadline=deadline, again=True)
            return
        freshness = Freshness.THIS_WORKER_MADE_NOTHING if self.has_made_nothing else Freshness.THIS_WORKER
        async with LeaseLock(self.ports, lease) as lock:
            within = self.ports.timing.inline_undo
            await undo(self.ports, lock, request_id=self.request_id, within=within, freshness=freshness)

    async def _claimed(self) -> Lease | None:
        """The lease, ending, with what was learned here; ``None`` if it has ended.

        Another worker that has moved it meanwhile may know less, and is relieved of it.
        """
        lock = self.lock
        for _ in range(_TRIES):
            try:
                return await lock.release(self._failed)
            except LostRace:
                stored = await self.ports.leases.get(self.lock.lease.id)
                if stored is None or not stored.state.is_live:
                    return None
                if stored.state is State.ACTIVE and stored.rotations:
                    raise LostRace("a repeat of the request hands it out") from None
                lock = LeaseLock(self.ports, stored)
        raise LostRace

    def _failed(self, lease: Lease) -> Lease:
        learned = self.ports.kinds.combined(self.minting.learned, lease.footprint)
        known, now, until = lease.knowing(learned), self.ports.now(), self.lock.until()
        return known.failing(self.code, now, until) if self.code else known.ending(self.cause, now, until)
