"""What becomes of the leases of a message that failed too often: stuck, for an operator to see, and tried on, slowly."""

from __future__ import annotations

import logging

from shared.broker.due import Ages
from shared.broker.outside import Outside
from shared.broker.sweep import cause_of
from shared.core.audit import AuditEvent, Outcome
from shared.core.batch import Batch
from shared.core.errors import LostRace, Unreadable
from shared.core.lease import Cause, Lease
from shared.core.names import LeaseId
from shared.core.patience import all_of

log = logging.getLogger(__name__)

CODE = "poisoned"
_REASON = "the message to end it failed too often"
_TRIES = 3


async def set_aside(outside: Outside, request_id: str, batch: Batch) -> int:
    """Moves those that are still due to STUCK; gives how many.

    One that has ended, or cannot be read, stays so, and one that is not due is in somebody's hands, or waits for its own next
    attempt. Raises ``Upstream`` when storage fails; repeating it is harmless.
    """
    await outside.tickets.forget(batch.id)
    ages = Ages(outside)
    return sum(await all_of(*(_give_up(outside, request_id, lease_id, ages) for lease_id in batch.leases)))


async def _give_up(outside: Outside, request_id: str, lease_id: LeaseId, ages: Ages) -> int:
    for _ in range(_TRIES):
        try:
            lease = await outside.leases.get(lease_id)
            revoked = lease is not None and await ages.overtakes(lease)
        except Unreadable as unreadable:
            log.error("%s", unreadable)  # noqa: TRY400 - its frames say no more
            return 0
        if lease is None or not lease.state.is_live:
            return 0
        if lease.due_at > outside.now() and not revoked:
            return 0
        cause = lease.cause or cause_of(lease, revoked=revoked)
        # Told before it is moved: a death in between tells it twice rather than never.
        await outside.audit.record(_event(outside, lease, cause, request_id))
        try:
            stuck = await outside.leases.swap(_stuck(outside, lease, cause), former=lease)
        except LostRace:
            continue
        log.error("lease %s is stuck: %s", stuck.id, _REASON)
        return 1
    return 0


def _stuck(outside: Outside, lease: Lease, cause: Cause) -> Lease:
    now = outside.now()
    return lease.ending(cause, now, now).given_up(now, f"{CODE}: {_REASON}", outside.ids.jitter())


def _event(outside: Outside, lease: Lease, cause: Cause, request_id: str) -> AuditEvent:
    return AuditEvent(
        at=outside.now(),
        operation="stuck",
        outcome=Outcome.FAILED,
        request_id=request_id,
        code=CODE,
        reason=f"{cause}: {_REASON}",
        role=lease.id.role,
        lease=lease.id,
    )
