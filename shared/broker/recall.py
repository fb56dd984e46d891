"""Ending what a role's generation has overtaken: begun at once by the message that its rise has sent.

The message is a hint like any other. Where it is lost, the next sweep finds the same leases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.broker.due import overtaken
from shared.broker.fan_out import TOGETHER, leave
from shared.broker.outside import Outside
from shared.broker.sweep import end_here
from shared.core.batch import Recall
from shared.core.names import LeaseId, RoleName
from shared.core.patience import both
from shared.core.urgency import in_background

_APART = 0.1
"""Seconds between two messages: callers need the processor as well, and this is far more than anybody ends meanwhile."""


async def recall(outside: Outside, request_id: str, wanted: Recall) -> int:
    """Ends the first few here, from the moment they are found, and leaves the others to the queue; gives how many it has met.

    What it does not get to in its time it leaves to another message. Repeating it is harmless. Raises ``Upstream`` when storage
    fails.
    """
    generation = await outside.generations.get(wanted.role)
    found = _together(overtaken(outside, generation))
    with in_background():
        first = await anext(found, list[LeaseId]())
        # To their ends, whatever becomes of the others.
        met, _ = await both(_leave(outside, wanted.role, found), end_here(outside, request_id, first))
    return len(first) + met


async def _leave(outside: Outside, role: RoleName, found: AsyncIterator[list[LeaseId]]) -> int:
    stop_at, met = outside.within(outside.timing.sweep), 0
    waiting = await outside.tickets.waiting(outside.now())
    async for some in found:
        if outside.clock.monotonic() >= stop_at:
            await outside.revocations.send(Recall(outside.ids.guid(), role))
            break
        met += len(some)
        if fresh := [lease_id for lease_id in some if lease_id not in waiting]:
            await leave(outside, fresh)
            await outside.clock.sleep(_APART)
    return met


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
