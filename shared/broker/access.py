"""Decides which roles and leases a caller may see. The answers for "forbidden" and "does not exist" are the same."""

from __future__ import annotations

from shared.broker.ports import Ports
from shared.core.access.decide import Allowed, Denied, decide
from shared.core.access.gate import Capability, Lacking, gate
from shared.core.caller import Caller
from shared.core.errors import Forbidden, NotFound
from shared.core.lease import Lease, LeaseView
from shared.core.names import LeaseId, RoleName
from shared.core.role import Role
from shared.resilience.tasks import both


def require(caller: Caller, path: str, capability: Capability) -> None:
    """Raises ``Forbidden`` if the gate refuses."""
    decision = gate(caller, path, capability)
    if isinstance(decision, Lacking):
        raise Forbidden(decision.sentence, code=decision.code)


def allows(caller: Caller, path: str, capability: Capability) -> bool:
    """Returns whether the gate allows it."""
    return isinstance(gate(caller, path, capability), Allowed)


async def role_for_issuing(ports: Ports, caller: Caller, name: RoleName) -> Role:
    """Returns the role, if the caller may issue from it. Raises ``Forbidden``, or ``NotFound`` if the caller is an admin."""
    role, _ = await both(ports.roles.get(name), ports.admitted())
    if role is None:
        if caller.is_admin:
            raise NotFound(f"There is no role {name}.", code="role_not_found")
        raise Forbidden(audit_reason="no such role")
    decision = decide(role, caller)
    if isinstance(decision, Denied):
        raise Forbidden(audit_reason=decision.reason)
    return role


async def role_and_generation(ports: Ports, caller: Caller, name: RoleName) -> tuple[Role, int]:
    """Returns the role and its generation. Raises as ``role_for_issuing``."""
    role, generation = await both(role_for_issuing(ports, caller, name), ports.generations.get(name))
    return role, generation.number


async def lease_for(ports: Ports, caller: Caller, lease_id: LeaseId, capability: Capability) -> Lease:
    """Returns the lease, if the caller holds it, or has the capability on any lease. Raises ``NotFound``."""
    lease, _ = await both(ports.leases.get(lease_id), ports.admitted())
    if lease is None or not (allows(caller, f"leases/{lease_id}", capability) or holds(caller, lease)):
        reason = "no such lease" if lease is None else "another caller's lease"
        raise NotFound("There is no such lease, or it is not yours.", code="lease_not_found", audit_reason=reason)
    return lease


def holds(caller: Caller, lease: LeaseView) -> bool:
    """Returns whether the credential was issued to this caller, or is prepared for it."""
    holder = lease.holder
    return holder is not None and (caller.object_id, caller.tenant_id) == (holder.object_id, holder.tenant_id)
