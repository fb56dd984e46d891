"""Renews a lease: decides anew by the role as it is now, and moves the end, but never past ``max_expires_at``."""

from __future__ import annotations

from datetime import timedelta

from shared.broker.access import holds, issuing_from, lease_for
from shared.broker.issue.asking import filled_as_kept, refilled
from shared.broker.ports import Actor, Ports
from shared.broker.rules import require_same_target
from shared.broker.upkeep import renewed_at_vault
from shared.core.access.decide import Decision
from shared.core.caller import Caller
from shared.core.errors import Conflict, Fault, LostRace, Malformed
from shared.core.lease import Lease, State
from shared.core.names import LeaseId
from shared.core.role import MIN_TTL, Role
from shared.resilience.tasks import both

_TRIES = 3
"""A renewal races only with another renewal or an end. If it loses more often than this, something is wrong."""


async def renew(ports: Ports, actor: Actor, lease_id: LeaseId, increment: int | None) -> Lease:
    """Moves the lease's end to ``increment`` seconds from now; ``None`` means the ttl of the issue. Never shortens a lease.

    Raises ``NotFound``, ``Forbidden``, ``Malformed``, ``Conflict``, ``Upstream``.
    """
    if increment is not None and increment < MIN_TTL:
        raise Malformed(Fault("increment", f"expected at least {MIN_TTL} seconds"), code="ttl_out_of_range")
    for number in range(_TRIES):
        lease = await lease_for(ports, actor.caller, lease_id, "renew")
        role, generation, decision = await _role_as_it_is(ports, actor.caller, lease)
        message = _require_renewable(ports, lease.under(generation), role)
        wanted = await renewed_at_vault(ports, lease, _renewed(ports, lease, role, increment), again=number > 0)
        try:
            renewed = await ports.leases.swap(wanted, former=lease)
        except LostRace:
            continue
        event = actor.done(ports, "renew", role=lease.id.role, lease=lease.id, reason=message, decision=decision)
        await ports.audit.record(event)
        return renewed
    raise Conflict("The lease is being changed by others; try again.", code="lease_busy")


async def _role_as_it_is(ports: Ports, caller: Caller, lease: Lease) -> tuple[Role, int, Decision | None]:
    """Returns the lease's role, the role's generation, and what has let the caller in.

    A holder needs ``issue`` on the role again. Anybody else has ``renew`` on the lease, which was asked for before.
    """
    if holds(caller, lease):
        (found, issuing), current = await both(issuing_from(ports, caller, lease.id.role), ports.generations.get(lease.id.role))
        filled, decision = await filled_as_kept(ports, found, issuing, lease)
        return filled.role, current.number, decision
    role, generation = await both(ports.roles.get(lease.id.role), ports.generations.get(lease.id.role))
    if role is None:
        raise Conflict("The lease's role is gone.", code="role_changed")
    return refilled(ports, role, lease), generation.number, None


def _require_renewable(ports: Ports, lease: Lease, role: Role) -> str:
    """Returns a remark for the audit trail. Raises ``Conflict``."""
    if lease.state is not State.ACTIVE or lease.expires_at <= ports.now():
        raise Conflict(f"The lease is {'expired' if lease.state is State.ACTIVE else lease.state}.", code="lease_not_active")
    message = require_same_target(ports, lease, role)
    if not (lease.renewable and role.renewable):
        raise Conflict("The role's leases are not renewable.", code="not_renewable")
    return message


def _renewed(ports: Ports, lease: Lease, role: Role, increment: int | None) -> Lease:
    # The role may have become stricter since the lease was issued.
    latest = lease.issued_at + timedelta(seconds=role.max_ttl)
    wanted = ports.now() + timedelta(seconds=increment or lease.ttl)
    return lease.renewed(min(wanted, latest))
