"""Ending what a role's generation has overtaken: begun at once by the message that its rise has sent.

The message is a hint like any other. Where it is lost, the next sweep finds the same leases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.broker.ending.due import overtaken
from shared.broker.ending.enqueue import TOGETHER, enqueue
from shared.broker.ending.sweep import end_here
from shared.broker.ports import Ports
from shared.core.message import Recall
from shared.core.names import LeaseId, RoleName
from shared.resilience.priority import in_background
from shared.resilience.tasks import both

_APART = 0.1
"""Seconds between two messages: callers need the processor as well, and this is far more than anybody ends meanwhile."""


async def recall(ports: Ports, request_id: str, wanted: Recall) -> int:
    """Ends the first few here, from the moment they are found, and leaves the others to the queue; gives how many it has met.

    What it does not get to in its time it leaves to another message. Repeating it is harmless. Raises ``Upstream`` when storage
    fails.
    """
    generation = await ports.generations.get(wanted.role)
    found = _together(overtaken(ports, generation))
    with in_background():
        first = await anext(found, list[LeaseId]())
        # To their ends, whatever becomes of the others.
        seen, _ = await both(_enqueue_all(ports, wanted.role, found), end_here(ports, request_id, first))
    return len(first) + seen


async def _enqueue_all(ports: Ports, role: RoleName, found: AsyncIterator[list[LeaseId]]) -> int:
    stop_at, seen = ports.within(ports.timing.sweep), 0
    waiting = await ports.queued_markers.waiting(ports.now())
    async for some in found:
        if ports.clock.monotonic() >= stop_at:
            await ports.revocations.send(Recall(ports.ids.guid(), role))
            break
        seen += len(some)
        if fresh := [lease_id for lease_id in some if lease_id not in waiting]:
            await enqueue(ports, fresh)
            await ports.clock.sleep(_APART)
    return seen


async def _together(found: AsyncIterator[LeaseId]) -> AsyncIterator[list[LeaseId]]:
    """As many as a message holds."""
    some: list[LeaseId] = []
    async for lease_id in found:
        some.append(lease_id)
        if len(some) == TOGETHER:
            yield some
            some = []
    if some:
        yield some
