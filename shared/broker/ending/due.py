"""Finds due leases: those whose ``due_at`` has come, and those that their role's generation has overtaken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

from shared.broker.ports import Ports
from shared.core.generation import Generation
from shared.core.lease import Lease
from shared.core.names import LeaseId, RoleName
from shared.core.ports.outbox import WaitingEvent

LATE = timedelta(minutes=5)
"""A lease that has been due for so long is overdue: there is a sweep each minute."""
_LOOKED_THROUGH = 5000
"""``overdue`` reads at most so many keys: as many as one sweep takes up."""


_MOST_EVENTS = 5000
"""Events that one sweep takes up: what it can publish in its time. The others stay due."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is due: leases, and events of the outbox."""

    leases: list[LeaseId] = field(default_factory=list)
    events: list[WaitingEvent] = field(default_factory=list)


async def all_due(ports: Ports, at_most: int) -> Found:
    """Returns at most ``at_most`` due leases, each once, and the events that are due. Raises ``Upstream``.

    If a worker dies after it has raised a generation and before it has sent the message, nothing is lost: the leases that the
    generation has overtaken are found here.
    """
    found: dict[LeaseId, None] = {}
    events: list[WaitingEvent] = []
    async for each in _each(ports):
        if not isinstance(each, WaitingEvent):
            found[each] = None
        elif len(events) < _MOST_EVENTS:
            events.append(each)
        if len(found) == at_most:
            break
    return Found(list(found), events)


async def overtaken(ports: Ports, generation: Generation) -> AsyncIterator[LeaseId]:
    """Yields the leases that a role's generation has overtaken. If there are none, notes that the generation is finished.

    Raises ``Upstream``. If a lease is opened under an earlier generation after this read, its own worker notices, or a sweep
    does once the lease's lock has lapsed.
    """
    none = True
    async for lease_id in ports.leases.overtaken(generation):
        none = False
        yield lease_id
    if none and not generation.is_finished:
        await ports.generations.finish(generation)


async def _each(ports: Ports) -> AsyncIterator[LeaseId | WaitingEvent]:
    async for due in ports.leases.due(ports.now()):
        yield due
    for generation in (await ports.generations.all()).values():
        if not generation.is_finished:
            async for lease_id in overtaken(ports, generation):
                yield lease_id


async def overdue(ports: Ports, at_most: int) -> list[LeaseId]:
    """Returns at most ``at_most`` of the leases that have been due for ``LATE``, the newest first. Raises ``Upstream``.

    Ended leases that are to be forgotten are older than leases that are to be ended, and would leave them no room.
    """
    found: list[LeaseId] = []
    async for lease_id in ports.leases.due(ports.now() - LATE):
        if isinstance(lease_id, WaitingEvent):
            continue
        found.append(lease_id)
        if len(found) == _LOOKED_THROUGH:
            break
    return sorted(found, key=lambda each: each.age)[:at_most]


class Ages:
    """The generations of the roles of some leases, each read once. They only grow: an overtaken lease stays so."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._known: dict[RoleName, int] = {}

    async def overtakes(self, lease: Lease) -> bool:
        """Returns whether the lease is to end only because its role was revoked. Raises ``Upstream``."""
        role, now = lease.id.role, self._ports.now()
        if (lease.due_at <= now and not lease.lasts(now)) or not lease.state.is_open:
            return False
        if role not in self._known:
            self._known[role] = (await self._ports.generations.get(role)).number
        return lease.is_overtaken(self._known[role])
