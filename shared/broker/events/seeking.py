"""Asking for the successor of a lease that an event rule rotates: the sweep does it when the last third of its time begins.

The lease's row says that it has no successor yet, and when the sweep asks again. The message is a hint like any other
(docs/adr/0027): if it is lost, late, or delivered twice, nothing is lost, and no lease has two successors.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Upstream
from shared.core.lease import Cause, Lease, State

log = logging.getLogger(__name__)

_LONGEST = timedelta(minutes=5)


async def seek_successor(ports: Ports, lease: Lease) -> Lease:
    """Asks a worker for the lease's successor. Returns the lease, of which the sweep asks again after a pause.

    The pause is half as long as was asked already: a minute at least, five minutes at most. Raises ``LostRace``,
    ``Upstream``.
    """
    now = ports.now()
    pause = min(max((now - lease.near_end) / 2, timedelta(seconds=ports.timing.message)), _LONGEST)
    lease = await ports.leases.swap(lease.seeking_successor(now + pause), former=lease)
    try:
        await ports.fillings.succeed(lease.id, lives=pause)
    except Upstream:
        log.warning("the successor of lease %s could not be asked for: a later sweep does it", lease.id, exc_info=True)
    return lease


async def tell_missing_successor(ports: Ports, request_id: str, lease: Lease, cause: Cause) -> None:
    """Tells of a lease whose end has come before there was a successor. Raises nothing foreseen: the end does not wait."""
    if lease.state is not State.ACTIVE or lease.successor_at is None or cause is not Cause.EXPIRED:
        return
    log.error("successor_missing lease=%s rule=%s: it ends without a successor", lease.id, lease.rotating_rule)
    event = AuditEvent(
        at=ports.now(),
        operation="event",
        outcome=Outcome.FAILED,
        request_id=request_id,
        code="successor_missing",
        reason="no successor could be issued before the lease's end: the next write of the subject issues a lease",
        role=lease.id.role,
        lease=lease.id,
        rule=lease.rotating_rule,
        subject=lease.metadata.get("subject", ""),
    )
    try:
        await ports.audit.record(event)
    except Upstream:
        log.warning("the audit trail does not say that lease %s has no successor", lease.id, exc_info=True)
