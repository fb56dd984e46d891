"""Finds due leases: those whose ``due_at`` has come, and those that their role's generation has overtaken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from shared.broker.ports import Ports
from shared.core.generation import Generation
from shared.core.lease import Lease
from shared.core.names import LeaseId, RoleName

LATE = timedelta(minutes=5)
"""A lease that has been due for so long is overdue: there is a sweep each minute."""
_LOOKED_THROUGH = 5000
"""``overdue`` reads at most so many keys: as many as one sweep takes up."""


async def all_due(ports: Ports, at_most: int) -> list[LeaseId]:
    """Returns at most ``at_most`` due leases, each once. Raises ``Upstream``.

    If a worker dies after it has raised a generation and before it has sent the message, nothing is lost: the leases that the
    generation has overtaken are found here.
    """
    found: dict[LeaseId, None] = {}
    async for lease_id in _each(ports):
        found[lease_id] = None
        if len(found) == at_most:
            break
    return list(found)


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


async def _each(ports: Ports) -> AsyncIterator[LeaseId]:
    async for lease_id in ports.leases.due(ports.now()):
        yield lease_id
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
        """Returns whether the lease is due only because its role was revoked. Raises ``Upstream``."""
        role = lease.id.role
        if lease.due_at <= self._ports.now() or not lease.state.is_open:
            return False
        if role not in self._known:
            self._known[role] = (await self._ports.generations.get(role)).number
        return lease.is_overtaken(self._known[role])
