"""Events that tell of no lease's move: of a changed document, and of a pool that is low."""

from __future__ import annotations

import logging
from datetime import datetime

from shared.broker.ports import Ports
from shared.core.audit import AuditEvent
from shared.core.errors import LeaseholdError
from shared.core.names import RoleName
from shared.core.outgoing.of_roles import change_of, pool_low
from shared.core.pool import Filling

log = logging.getLogger(__name__)


async def announce(ports: Ports, event: AuditEvent) -> None:
    """Puts the event of a change to a document into the outbox. Raises ``Upstream``.

    The audit event of the change is stored with the change, and waits until this was done: so no change is left untold.
    """
    if ports.publisher is not None and (outgoing := change_of(event)) is not None:
        await ports.outbox.add(outgoing)


async def announce_low(ports: Ports, role: RoleName, filling: Filling, since: datetime, *, ready: int, wanted: int) -> None:
    """Puts the event of a low pool into the outbox, once until the pool is full again. Raises nothing: it is best effort."""
    if ports.publisher is None or filling.low_told:
        return
    now = ports.now()
    try:
        await ports.outbox.add(pool_low(ports.ids.ulid(now), role, now, ready=ready, wanted=wanted, since=since))
        await ports.pools.change_filling(role, lambda it: it.told_low())
    except LeaseholdError:
        log.warning("that the pool of role %s is low is told later", role, exc_info=True)
