"""After an outage of Azure's: what waits only because of it is taken up at once, not when its next attempt would be due.

That an outage is over is known by the first call that is answered: a caller's, or one that a sweep makes to find out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Container
from dataclasses import dataclass

from shared.broker.ending.enqueue import TOGETHER, enqueue
from shared.broker.ending.undo import claim, undo
from shared.broker.listing import all_leases
from shared.broker.ports import Ports
from shared.core.errors import IdentityRefused, LeaseholdError, LostRace, Uncertain, Unreachable, Unreadable, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.core.ports.leases import LeaseQuery
from shared.resilience.priority import in_background
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

AT_A_GO = 200
"""Leases: a service that has just come back is not asked everything at once."""
_PAUSE = 15.0
_APART = 5.0
"""Seconds between two looks at what waits, however often a service comes and goes: less than what waits may go on waiting."""
_PICKS = 3
_PAGE = 1000
_CAUSES = (Uncertain.code, Unreachable.code, IdentityRefused.code)
"""An identity that every service refuses is an outage as well: nothing can be done about a lease until it is accepted."""


@dataclass(slots=True, eq=False)
class Resumption:
    """Called when a service answers again: resumes in the background, and once more if it is called meanwhile."""

    ports: Ports
    _wanted: bool = False
    _running: asyncio.Future[None] | None = None
    """Kept: the event loop alone would forget it."""

    def __call__(self) -> None:
        """Raises nothing, and waits for nothing."""
        self._wanted = True
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await resume(self.ports)
            except LeaseholdError:
                log.warning("what has waited for Azure to answer is left to the sweep", exc_info=True)
            await self.ports.clock.sleep(_APART)


async def probe_outage(ports: Ports, request_id: str) -> Lease | None:
    """Tries one of the leases that wait for a service which this worker knows to be down, or to refuse the broker's identity.

    Returns the lease as it then stands. That is before the lease is due; if the service does not answer still, or refuses
    still, that was no failed attempt, and the lease is due when it was. Returns ``None`` if there is no outage, or no lease
    waits. Raises nothing.
    """
    if not ports.outages.known and not ports.refused():
        return None
    try:
        with in_background():
            return await _tried(ports, request_id)
    except (LostRace, Unreadable, Upstream):
        log.warning("whether Azure answers again could not be tried", exc_info=True)
        return None


async def _tried(ports: Ports, request_id: str) -> Lease | None:
    lease = await _any_waiting(ports)
    if lease is None:
        return None
    # It is ending, and keeps the cause that it has.
    async with await claim(ports, lease, Cause.REVOKED) as lock:
        within = ports.timing.inline_undo
        return await undo(ports, lock, request_id=request_id, within=within, otherwise_due=lease.due_at)


async def _any_waiting(ports: Ports) -> Lease | None:
    """Any of those that are not due: the others are the sweep's own."""
    waiting = [lease_id async for lease_id in _waiting(ports)]
    for _ in range(min(_PICKS, len(waiting))):
        lease = await ports.leases.get(waiting[int(ports.ids.jitter() * len(waiting))])
        if lease is not None and lease.due_at > ports.now() and _waits(lease, ports) and _would_tell(lease, ports):
            return lease
    return None


def _would_tell(lease: Lease, ports: Ports) -> bool:
    """Whether an attempt to end the lease asks a service that is known to be down, or known to refuse the identity."""
    if ports.refused() and lease.last_error.startswith(IdentityRefused.code):
        return True
    return any(ports.outages.concern(services) for services in ports.kinds.services(lease))


async def resume(ports: Ports) -> int:
    """Leaves to the queue what has failed to end for want of an answer, due or not, stuck or not; gives how many leases.

    So many at a go, with a pause between. Those that a worker is ending, or that wait in the queue, are left out. Raises
    ``Upstream`` when storage fails: what is due by then is the next sweep's.
    """
    count, queued = 0, set[LeaseId]()
    with in_background():
        while made := await _one_go(ports, queued):
            count += made
            if made < AT_A_GO:
                break
            await ports.clock.sleep(_PAUSE)
    if count:
        log.info("%d leases that waited for Azure to answer are in the queue", count)
    return count


async def _one_go(ports: Ports, queued: set[LeaseId]) -> int:
    """A message's worth side by side, and then its message: the first are being ended while the others are made due.

    ``queued`` are those of the goes before, and grows: they are due still until a worker takes their message.
    """
    in_queue = await ports.queued_markers.waiting(ports.now())
    count, waiting = 0, _waiting(ports, queued)
    while count < AT_A_GO:
        some = [lease_id async for lease_id in _first(waiting, min(TOGETHER, AT_A_GO - count))]
        if not some:
            break
        made = await all_of(*(_make_due(ports, lease_id, in_queue) for lease_id in some))
        due = [lease_id for lease_id, is_due in zip(some, made, strict=True) if is_due]
        await enqueue(ports, due)
        queued.update(due)
        count += len(due)
    return count


async def _first(waiting: AsyncIterator[LeaseId], many: int) -> AsyncIterator[LeaseId]:
    """So many of what is left of it."""
    for _ in range(many):
        if (found := await anext(waiting, None)) is None:
            return
        yield found


async def _waiting(ports: Ports, queued: Container[LeaseId] = ()) -> AsyncIterator[LeaseId]:
    for state in (State.ENDING, State.STUCK):
        query = LeaseQuery(state=state, limit=_PAGE)
        async for lease in all_leases(ports, query):
            if lease.last_error.startswith(_CAUSES) and lease.id not in queued:
                yield lease.id


async def _make_due(ports: Ports, lease_id: LeaseId, in_queue: Container[LeaseId]) -> bool:
    """Whether the lease is due now and belongs in the queue. If its pause has run out, it needs no write, and may be there."""
    try:
        lease = await ports.leases.get(lease_id)
        if lease is None or not _waits(lease, ports):
            return False
        if lease.due_at <= ports.now():
            return lease_id not in in_queue
        await ports.leases.swap(lease.locked_until(ports.now()), former=lease)
    except (LostRace, Unreadable):
        return False
    return True


def _waits(lease: Lease, ports: Ports) -> bool:
    """For nothing but an answer: no worker is at it."""
    return lease.state.is_live and not lease.is_being_ended(ports.now()) and lease.last_error.startswith(_CAUSES)
