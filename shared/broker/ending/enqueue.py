"""Fan-out: due leases are put on a queue, from which every instance takes its share.

That changes no lease: a lease stays due until it has ended, whatever happens to its message. A marker, written after the
message, only keeps the next sweeps from queueing the lease again while it waits. If the worker dies in between, the lease is
queued twice, which is harmless: the second message finds the lease ended, or locked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from shared.broker.ports import Ports
from shared.core.errors import Upstream
from shared.core.message import WAITS, Batch, batches
from shared.core.names import LeaseId
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

FEW = 32
"""The timer's sweep ends so many leases itself. Two rounds of sixteen take seconds: about as long as the host takes to look at
the queue."""
TOGETHER = 16
"""Leases of one message. A worker takes them all up side by side: so each is locked as soon as its message is taken. At 100
octets each, they are far from the 64 KiB of a message."""
_AT_ONCE = 4


async def not_queued(ports: Ports, due: Iterable[LeaseId]) -> list[LeaseId]:
    """Returns the leases that are not in the queue yet. Raises ``Upstream``."""
    waiting = await ports.queued_markers.waiting(ports.now())
    return [lease_id for lease_id in due if lease_id not in waiting]


async def enqueue(ports: Ports, due: Iterable[LeaseId], together: int = TOGETHER) -> list[LeaseId]:
    """Puts leases on the queue. Returns those that could not be queued. Raises nothing: all of them are still due."""
    work = batches(ports.ids.guid, due, together)
    refused = await all_of(*(_put(ports, work) for _ in range(_AT_ONCE)))
    return [lease_id for some in refused for lease_id in some]


async def _put(ports: Ports, work: Iterator[Batch]) -> list[LeaseId]:
    refused: list[LeaseId] = []
    for batch in work:
        try:
            await ports.revocations.send(batch)
        except Upstream:
            log.warning("batch %s could not be queued", batch.id, exc_info=True)
            refused += batch.leases
            continue
        try:
            await ports.queued_markers.note(batch, ports.now() + WAITS)
        except Upstream:
            log.warning("batch %s is queued, and may be queued once more", batch.id, exc_info=True)
    return refused
