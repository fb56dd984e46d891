"""Checks stored roles against today's rules, and leases against today's role."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.broker.ports import Ports
from shared.core.caller import Caller
from shared.core.delivery import placed, suffix_of
from shared.core.errors import Caution, Fault, Malformed, Rejected, RoleOutdated, Unreadable
from shared.core.given_powers import gives_roles, gone, gone_scopes
from shared.core.lease import Lease
from shared.core.names import RoleName
from shared.core.role import Role, role_changed
from shared.kinds.target_digest import target_digest


def protected(ports: Ports, role: Role) -> tuple[Fault, ...]:
    """Returns a fault for each way in which the role would reach the broker's own resources. Does not call Azure."""
    kind = ports.kinds.find(role.type)
    return kind.schema.faults(role.target, ports.protected) if kind is not None else ()


def broken_by(ports: Ports, role: Role) -> tuple[Fault, ...]:
    """Returns a fault for each of today's rules and settings that a stored role breaks. Does not call Azure."""
    azure_roles = ports.kinds.azure_roles(role)
    refusal = closed(ports, role)
    return (
        *role.outdated,
        *protected(ports, role),
        *gives_roles(azure_roles),
        *gone(azure_roles),
        *foreign_suffixes(ports, role),
        *(refusal.faults if refusal is not None else ()),
    )


def foreign_suffixes(ports: Ports, role: Role) -> tuple[Fault, ...]:
    """Returns a fault for each vault of the role that is none of this cloud's. Does not call Azure."""
    suffix = ports.courier.suffix
    message = f"expected an address under .{suffix}"
    return tuple(Fault(place, message) for place, vault in placed(role.delivery) if suffix_of(vault) != suffix)


def closed(ports: Ports, role: Role) -> Malformed | None:
    """Returns why the broker can mint nothing from the role, as far as that is known. Does not call Azure."""
    kind = ports.kinds.find(role.type)
    return kind.schema.closed(role.target) if kind is not None else None


def cautions(ports: Ports, role: Role) -> tuple[Caution, ...]:
    """Returns what the role's author should know. Does not call Azure."""
    kind = ports.kinds.find(role.type)
    return kind.schema.warnings(role.target, ports.protected) if kind is not None else ()


def untried(ports: Ports, role: Role) -> tuple[Caution, ...]:
    """Returns what a look at Azure cannot show of a role."""
    if not ports.kinds.azure_roles(role):
        return ()
    message = "the broker's permissions allow these assignments; the conditions of its own grants were not evaluated"
    return (Caution("azure_roles", "grant_condition_not_evaluated", message),)


def require_current(ports: Ports, caller: Caller, role: Role) -> None:
    """Raises ``RoleOutdated`` or ``Unreadable``. Only administrators get the faults of an outdated role."""
    if faults := broken_by(ports, role):
        reason = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
        if role.is_unreadable:
            raise Unreadable(f"role {role.name}: {reason}")
        raise RoleOutdated(*(faults if caller.is_admin else ()), audit_reason=reason)


def withhold_faults(caller: Caller, refused: Rejected) -> None:
    """If the refusal is ``RoleOutdated`` and the caller is no administrator, raises it without its faults."""
    if isinstance(refused, RoleOutdated) and not caller.is_admin:
        raise RoleOutdated(audit_reason=refused.audit_reason) from refused


def outdated(ports: Ports, roles: tuple[Role, ...]) -> Mapping[RoleName, tuple[Fault, ...]]:
    """Returns the readable roles from which nothing is issued until they are written again, with the reasons."""
    found = {role.name: broken_by(ports, role) for role in roles if not role.is_unreadable}
    return {name: faults for name, faults in found.items() if faults}


def scopes_gone(ports: Ports, roles: tuple[Role, ...]) -> Mapping[RoleName, tuple[Fault, ...]]:
    """Returns the roles of which a scope was gone when it was last looked for, with the scopes."""
    found = {role.name: gone_scopes(ports.kinds.azure_roles(role)) for role in roles}
    return {name: faults for name, faults in found.items() if faults}


def unreadable(roles: tuple[Role, ...]) -> Mapping[RoleName, tuple[Fault, ...]]:
    """Returns the roles that cannot be read, with the reasons."""
    return {role.name: role.outdated for role in roles if role.is_unreadable}


def require_same_target(ports: Ports, lease: Lease, role: Role) -> str:
    """Raises ``Conflict`` if the role grants something else than the lease was issued for, or if the role cannot be read.

    An older version stored leases without a digest. For such a lease, returns a remark for the audit trail; otherwise "".
    """
    if not lease.target_digest and not role.is_unreadable:
        return "the lease does not tell what its role granted"
    if lease.target_digest != target_digest(ports.kinds, role.target):
        raise role_changed()
    return ""


def asked_again(ports: Ports, lease: Lease, role: Role, fields: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Returns what the ask says of the credential, of the role as it is today. ``fields`` of this request count in its place.

    Raises ``Malformed`` for a field of this request's, and ``Conflict`` (``role_changed``) if the role does not take any more
    what the ask has named.
    """
    schema = ports.kinds.of(lease).schema
    try:
        return schema.asked_again(role.target, lease.footprint, {**lease.asked, **fields})
    except Malformed as refused:
        of_ask = {name for name, value in lease.asked.items() if fields.get(name, value) == value}
        if any(fault.path.partition(".")[0] in of_ask for fault in refused.faults):
            raise role_changed() from refused
        raise
