"""Fan-out: leases that are due are left to the queue, from which every instance takes its share.

Nothing of a lease is changed by that: it stays due until it has ended, whatever becomes of its message. A ticket, written
after the message, only keeps the next sweeps from queueing it again while it waits. A death in between queues it twice,
which is harmless: whoever comes second finds it ended, or held.
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
"""Leases that the timer's sweep ends by itself: two rounds of sixteen take seconds, about as long as a queue needs to be
looked at."""
TOGETHER = 16
"""Leases of one message: what a worker takes up side by side, so that each is held from the moment its message is taken. At
100 octets each they are far from the 64 KiB of a message."""
_AT_ONCE = 4


async def not_queued(ports: Ports, due: Iterable[LeaseId]) -> list[LeaseId]:
    """Those that are not in the queue already. Raises ``Upstream``."""
    waiting = await ports.queued_markers.waiting(ports.now())
    return [lease_id for lease_id in due if lease_id not in waiting]


async def enqueue(ports: Ports, due: Iterable[LeaseId], together: int = TOGETHER) -> list[LeaseId]:
    """Puts them on the queue; gives those for which it could not be done. Raises nothing: they are all due still."""
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
        await _note(ports, batch)
    return refused


async def _note(ports: Ports, batch: Batch) -> None:
    try:
        await ports.queued_markers.note(batch, ports.now() + WAITS)
    except Upstream:
        log.warning("batch %s is queued, and may be queued once more", batch.id, exc_info=True)
