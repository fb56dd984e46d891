"""The rules of today, and the roles that were stored before them."""

from __future__ import annotations

from collections.abc import Mapping

from shared.broker.outside import Outside
from shared.core.caller import Caller
from shared.core.errors import Fault, RoleOutdated
from shared.core.names import RoleName
from shared.core.role import Role


def broken_by(outside: Outside, role: Role) -> tuple[Fault, ...]:
    """What of today's rules and settings a stored role breaks. Asks nothing of Azure."""
    return (*role.outdated, *outside.protected.faults(role.target))


def require_current(outside: Outside, caller: Caller, role: Role) -> None:
    """Raises ``RoleOutdated``, which says to administrators alone what is wrong."""
    if faults := broken_by(outside, role):
        reason = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
        raise RoleOutdated(*(faults if caller.is_admin else ()), audit_reason=reason)


def outdated(outside: Outside, roles: tuple[Role, ...]) -> Mapping[RoleName, tuple[Fault, ...]]:
    """The roles from which nothing is issued until they are written again, and why."""
    found = {role.name: broken_by(outside, role) for role in roles}
    return {name: faults for name, faults in found.items() if faults}
