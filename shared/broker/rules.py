"""Roles as they are today: for roles that were stored before the rules, and for leases that were issued before the role."""

from __future__ import annotations

from collections.abc import Mapping

from shared.broker.ports import Ports
from shared.core.caller import Caller
from shared.core.errors import Caution, Conflict, Fault, Malformed, Rejected, RoleOutdated, Unreadable
from shared.core.given_powers import gives_roles, gone
from shared.core.lease import Lease
from shared.core.names import RoleName
from shared.core.role import Role
from shared.kinds.target_digest import target_digest


def protected(ports: Ports, role: Role) -> tuple[Fault, ...]:
    """How the role would reach what is the broker's own. Asks nothing of Azure."""
    kind = ports.kinds.find(role.type)
    return kind.schema.faults(role.target, ports.protected) if kind is not None else ()


def broken_by(ports: Ports, role: Role) -> tuple[Fault, ...]:
    """What of today's rules and settings a stored role breaks. Asks nothing of Azure."""
    kind = ports.kinds.find(role.type)
    azure_roles = kind.schema.azure_roles(role.target) if kind is not None else ()
    refusal = closed(ports, role)
    return (
        *role.outdated,
        *protected(ports, role),
        *gives_roles(azure_roles),
        *gone(azure_roles),
        *(refusal.faults if refusal is not None else ()),
    )


def closed(ports: Ports, role: Role) -> Malformed | None:
    """Why the broker can mint nothing there, as far as it is known. Asks nothing of Azure."""
    kind = ports.kinds.find(role.type)
    return kind.schema.closed(role.target) if kind is not None else None


def cautions(ports: Ports, role: Role) -> tuple[Caution, ...]:
    """What whoever writes the role should know of it. Asks nothing of Azure."""
    kind = ports.kinds.find(role.type)
    return kind.schema.warnings(role.target, ports.protected) if kind is not None else ()


def untried(ports: Ports, role: Role) -> tuple[Caution, ...]:
    """What looking at Azure cannot tell of a role."""
    if not ports.kinds.of(role).schema.azure_roles(role.target):
        return ()
    message = "the broker's permissions allow these assignments; the conditions of its own grants were not evaluated"
    return (Caution("azure_roles", "grant_condition_not_evaluated", message),)


def require_current(ports: Ports, caller: Caller, role: Role) -> None:
    """Raises ``RoleOutdated``, which says to administrators alone what is wrong; ``Unreadable``, which says it to the log."""
    if faults := broken_by(ports, role):
        reason = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
        if role.is_unreadable:
            raise Unreadable(f"role {role.name}: {reason}")
        raise RoleOutdated(*(faults if caller.is_admin else ()), audit_reason=reason)


def withhold_faults(caller: Caller, refused: Rejected) -> None:
    """Raises ``RoleOutdated`` in its place where it says what only administrators may know, and the caller is none."""
    if isinstance(refused, RoleOutdated) and not caller.is_admin:
        raise RoleOutdated(audit_reason=refused.audit_reason) from refused


def outdated(ports: Ports, roles: tuple[Role, ...]) -> Mapping[RoleName, tuple[Fault, ...]]:
    """The roles that can be read, from which nothing is issued until they are written again, and why."""
    found = {role.name: broken_by(ports, role) for role in roles if not role.is_unreadable}
    return {name: faults for name, faults in found.items() if faults}


def unreadable(roles: tuple[Role, ...]) -> Mapping[RoleName, tuple[Fault, ...]]:
    """The roles that cannot be read, and why."""
    return {role.name: role.outdated for role in roles if role.is_unreadable}


def require_same_target(ports: Ports, lease: Lease, role: Role) -> str:
    """Raises ``Conflict`` if the role grants something else than the lease was issued for, or cannot be read.

    Returns what the audit trail is to say of a lease that does not tell, because it is from before that was kept; else nothing.
    """
    if not lease.target_digest and not role.is_unreadable:
        return "the lease does not tell what its role granted"
    if lease.target_digest != target_digest(ports.kinds, role.target):
        raise Conflict("The role has changed since the lease was issued; ask for a new lease.", code="role_changed")
    return ""
