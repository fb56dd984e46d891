"""Roles as they are today: for roles that were stored before the rules, and for leases that were issued before the role."""

from __future__ import annotations

from collections.abc import Mapping

from shared.broker.ports import Ports
from shared.core.caller import Caller
from shared.core.closed_application import closed, not_owned
from shared.core.errors import Caution, Conflict, Fault, Rejected, RoleOutdated, Unreadable
from shared.core.given_powers import assigns_identities, gives_roles, gone
from shared.core.lease import Lease
from shared.core.names import RoleName
from shared.core.role import Role, ServicePrincipalTarget
from shared.core.target_digest import target_digest


def broken_by(ports: Ports, role: Role) -> tuple[Fault, ...]:
    """What of today's rules and settings a stored role breaks. Asks nothing of Azure."""
    target = role.target
    return (*role.outdated, *ports.protected.faults(target), *gives_roles(target), *gone(target), *closed(target))


def cautions(ports: Ports, role: Role) -> tuple[Caution, ...]:
    """What whoever writes the role should know of it. Asks nothing of Azure."""
    return (*ports.protected.warnings(role.target), *assigns_identities(role.target), *not_owned(role.target))


def untried(role: Role) -> tuple[Caution, ...]:
    """What looking at Azure cannot tell of a role."""
    if not isinstance(role.target, ServicePrincipalTarget) or not role.target.azure_roles:
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


def require_same_target(lease: Lease, role: Role) -> str:
    """Raises ``Conflict`` when the role grants something else than the lease was issued for, or cannot be read.

    Gives what the audit trail is to say of a lease that does not tell, being from before that was kept; else nothing.
    """
    if not lease.target_digest and not role.is_unreadable:
        return "the lease does not tell what its role granted"
    if lease.target_digest != target_digest(role.target):
        raise Conflict("The role has changed since the lease was issued; ask for a new lease.", code="role_changed")
    return ""
