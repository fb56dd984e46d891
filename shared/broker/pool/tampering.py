"""What becomes of a pooled lease that somebody else has touched: everybody who must know is told, and the lease ends."""

from __future__ import annotations

import logging

from shared.broker.ending.undo import claim, undo
from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Absent, LeaseholdError, LostRace, Refused, Unreadable, Upstream
from shared.core.lease import Cause, Lease
from shared.core.readiness.errors import NeverReady
from shared.kinds.pooling import FOREIGN, VANISHED, Trouble

log = logging.getLogger(__name__)

_GONE = frozenset({"AADSTS700016", "AADSTS7000229", "AADSTS7000112"})
"""Entra ID's codes for an application or a service principal that is gone, or disabled. 7000215 is none of them: it is said
of a fresh secret, which a replica may not know yet."""


async def gone(ports: Ports, pooled: Lease, failure: LeaseholdError) -> Trouble | None:
    """Returns what a failure says of a lease that was claimed from a pool; ``None`` if its objects are there.

    A 404 may be about a scope or a group: two calls tell. That the objects were there once is not in doubt: they were proven.
    """
    if not isinstance(failure, Refused | NeverReady):
        return None
    if failure.azure_code in _GONE:
        return Trouble(VANISHED, what=failure.azure_code)
    if not isinstance(failure, Absent):
        return None
    footprint = pooled.footprint
    try:
        stands = await ports.kinds.part_of(footprint).issuer.stands(footprint)
    except Upstream:
        return None
    return None if stands else Trouble(VANISHED, what="the application or its service principal is gone")


async def tell(ports: Ports, request_id: str, lease: Lease, trouble: Trouble) -> None:
    """Audits the trouble, and logs it for an alert. Raises ``Upstream`` if the audit trail cannot be written."""
    key = f", key {trouble.key_id}" if trouble.key_id else ""
    log.error("pool_tampered role=%s lease=%s code=%s: %s%s", lease.id.role, lease.id, trouble.code, trouble.what, key)
    await ports.audit.record(
        AuditEvent(
            at=ports.now(),
            operation="reconcile",
            outcome=Outcome.DONE,
            request_id=request_id,
            code=trouble.code,
            reason=f"pool_tampered: {trouble.what}{key}",
            role=lease.id.role,
            lease=lease.id,
        )
    )


async def end_touched(ports: Ports, request_id: str, lease: Lease, trouble: Trouble) -> Lease | None:
    """Tells of the trouble, then ends the pooled lease. Returns it as it then stands; ``None`` if another worker has moved it.

    ``lease`` was read before somebody looked. If it has been claimed since then, what was seen may be the claim's own work, and
    nobody is told. Told before it is done: a death in between tells it twice rather than never. Raises ``Upstream``.
    """
    if not await _stands_as_before(ports, lease):
        return None
    await tell(ports, request_id, lease, trouble)
    cause = Cause.TAMPERED if trouble.code == FOREIGN else Cause.VANISHED
    try:
        async with await claim(ports, lease, cause) as lock:
            return await undo(ports, lock, request_id=request_id, within=ports.timing.sweep_undo)
    except LostRace:
        return None


async def _stands_as_before(ports: Ports, lease: Lease) -> bool:
    try:
        stored = await ports.leases.get(lease.id)
    except Unreadable:
        return False
    return stored is not None and stored.version == lease.version
