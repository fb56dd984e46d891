"""Handles the leases of a message that failed too often: they become stuck. An operator sees them, and sweeps go on trying."""

from __future__ import annotations

import logging

from shared.broker.ending.due import Ages
from shared.broker.ending.sweep import cause_of
from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import LostRace, Unreadable
from shared.core.lease import Cause, Lease
from shared.core.message import Batch
from shared.core.names import LeaseId
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

CODE = "poisoned"
_REASON = "the message to end it failed too often"
_TRIES = 3


async def poison(ports: Ports, request_id: str, batch: Batch) -> int:
    """Moves the leases that are still due to STUCK. Returns their number.

    A lease that has ended, or that cannot be read, stays as it is. A lease that is not due is locked by a worker, or waits for
    its own next attempt. One that is still to be prepared, or only to be told of, is left to the sweep. Raises ``Upstream`` if
    storage fails. Repeating the call is harmless.
    """
    await ports.queued_markers.forget(batch.id)
    ages = Ages(ports)
    return sum(await all_of(*(_give_up(ports, request_id, lease_id, ages) for lease_id in batch.leases)))


async def _give_up(ports: Ports, request_id: str, lease_id: LeaseId, ages: Ages) -> int:
    for _ in range(_TRIES):
        try:
            lease = await ports.leases.get(lease_id)
            revoked = lease is not None and await ages.overtakes(lease)
        except Unreadable as unreadable:
            log.error("%s", unreadable)  # noqa: TRY400 - its frames say no more
            return 0
        if lease is None or not lease.state.is_live:
            return 0
        now = ports.now()
        if not revoked and (lease.due_at > now or lease.is_to_prepare(now) or lease.lasts(now)):
            return 0
        cause = lease.cause or cause_of(lease, revoked=revoked)
        # The event comes before the move: if the worker dies in between, there are two events rather than none.
        await ports.audit.record(_event(ports, lease, cause, request_id))
        try:
            stuck = await ports.leases.swap(_stuck(ports, lease, cause), former=lease)
        except LostRace:
            continue
        log.error("lease %s is stuck: %s", stuck.id, _REASON)
        return 1
    return 0


def _stuck(ports: Ports, lease: Lease, cause: Cause) -> Lease:
    now = ports.now()
    return lease.ending(cause, now, now).stuck_at_once(now, f"{CODE}: {_REASON}", ports.ids.jitter())


def _event(ports: Ports, lease: Lease, cause: Cause, request_id: str) -> AuditEvent:
    return AuditEvent(
        at=ports.now(),
        operation="stuck",
        outcome=Outcome.FAILED,
        request_id=request_id,
        code=CODE,
        reason=f"{cause}: {_REASON}",
        role=lease.id.role,
        lease=lease.id,
    )
