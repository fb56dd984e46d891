"""Makes a lease for a role's pool: first its row, then a message for the worker that prepares it as it prepares a caller's.

The worker may die at any line: a lease that is not made in time is undone, as a caller's is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from shared.broker.issue.planning import SECRET_SLACK
from shared.broker.issue.preparations import send_preparation
from shared.broker.pool.hints import hint_of, note
from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import LeaseholdError
from shared.core.lease import NOT_PROVEN, Holder, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.pool import Filling
from shared.core.readiness.record import Readiness
from shared.core.role import Role
from shared.kinds.kind import Order
from shared.kinds.pooling import pool_digest, pool_issuer, pool_of

log = logging.getLogger(__name__)

_NOBODY = Holder(ObjectId(""), ObjectId(""))


def order_for_pool(ports: Ports, role: Role, lease_id: LeaseId) -> Order:
    """Returns what to make. It has no credential: the end is for nothing, and the holder is nobody."""
    end = ports.now() + timedelta(seconds=role.max_ttl) + SECRET_SLACK
    return Order(lease_id, _NOBODY, role.target, end, ports.within(ports.timing.mint), pooled=True)


async def open_for_pool(ports: Ports, request_id: str, role: Role, generation: int) -> Lease:
    """Stores a lease that is to be made for the role's pool, and leaves it to the queue. Raises ``Upstream``.

    It is audited before anything is made: the reconciliation then knows the id, whatever becomes of the row.
    """
    now, timing, kinds = ports.now(), ports.timing, ports.kinds
    lease_id = LeaseId.of(role.name, ports.ids.ulid(now))
    footprint = pool_issuer(kinds.of(role)).plan_pooled(order_for_pool(ports, role, lease_id))
    until = now + timedelta(seconds=timing.message)
    planned = Lease(
        id=lease_id,
        type=role.type,
        state=State.PLANNED,
        holder=None,
        parts=(footprint,),
        planned_at=now,
        issued_at=now,
        expires_at=now + timedelta(seconds=role.ttl),
        max_expires_at=now + timedelta(seconds=role.max_ttl),
        due_at=until,
        made_by=until,
        ttl=role.ttl,
        max_ttl=role.max_ttl,
        renewable=role.renewable,
        pool_digest=pool_digest(kinds, role),
        generation=generation,
        prepare_by=now + timedelta(seconds=timing.prepare),
        is_unissued=True,
        is_untouched=True,
    )
    opened = await ports.leases.open(kinds.with_derived(planned))
    event = AuditEvent(now, "fill", Outcome.DONE, request_id, role=role.name, lease=lease_id)
    await ports.audit.record(event)
    await send_preparation(ports, opened)
    return opened


def stands_ready(ports: Ports, role: Role, lease: Lease, *, ready: bool, readiness: Readiness | None) -> Lease:
    """Returns the lease as it waits for a caller, for as long as the role's ``max_age`` says."""
    now = ports.now()
    until = now + timedelta(seconds=pool_of(ports.kinds, role).max_age)
    return lease.pooled(now, until, ready=ready, readiness=readiness)


async def tell_ready(ports: Ports, lease: Lease) -> None:
    """Notes the hint at a lease that has just come to stand in its pool, and that making one works. Raises nothing foreseen."""
    await note(ports, hint_of(lease))
    await _change(ports, lease.id.role, Filling.succeeded)


async def tell_failed(ports: Ports, role: RoleName, code: str) -> None:
    """Notes that a lease for the pool could not be made: the role waits before another is tried. Raises nothing foreseen."""
    log.warning("pool_failing role=%s code=%s", role, code)
    now, jitter = ports.now(), ports.ids.jitter()
    await _change(ports, role, lambda it: it.failed(now, code, jitter))


async def tell_unproven(ports: Ports, role: RoleName) -> None:
    """Notes that a lease for the pool was not seen to work for long. It is still tried. Raises nothing foreseen."""
    log.warning("pool_failing role=%s code=%s, and tried again", role, NOT_PROVEN)
    await _change(ports, role, lambda it: it.unproven(NOT_PROVEN))


async def _change(ports: Ports, role: RoleName, change: Callable[[Filling], Filling | None]) -> None:
    try:
        await ports.pools.change_filling(role, change)
    except LeaseholdError:
        log.warning("how the pool of role %s is filled could not be noted", role, exc_info=True)
