"""How many role assignments may stand in pools: a subscription takes only so many, and callers need them as well."""

from __future__ import annotations

from collections.abc import Iterable

from shared.broker.ports import Ports
from shared.core.errors import Fault, Malformed
from shared.core.role import Role
from shared.kinds.pooling import assignments_in_pool


def require_room(ports: Ports, role: Role, former: Role | None, others: Iterable[Role]) -> None:
    """Raises ``Malformed`` (``pool_too_large``) if the pools of all roles together would hold more than the setting says.

    A pool that gets no larger is not refused, however low the setting is by now.
    """
    if is_larger(ports, role, former) and (faults := faults_of_pools(ports, [role], others)):
        raise Malformed(*faults, code="pool_too_large")


def is_larger(ports: Ports, role: Role, former: Role | None) -> bool:
    """Returns whether the role's pool holds more role assignments than its former one."""
    return assignments_in_pool(ports.kinds, role) > (assignments_in_pool(ports.kinds, former) if former is not None else 0)


def faults_of_pools(ports: Ports, written: Iterable[Role], others: Iterable[Role], path: str = "") -> list[Fault]:
    """Returns a fault for each written role with a pool if the pools of all would hold too much. ``path`` leads to a role."""
    mine = {role.name: assignments_in_pool(ports.kinds, role) for role in written}
    total, most = (
        sum(mine.values()) + sum(assignments_in_pool(ports.kinds, each) for each in others),
        ports.limits.pool_assignments,
    )
    if total <= most:
        return []
    message = f"with it, {total} role assignments would stand in pools; expected {most} at most over all roles"
    return [Fault(f"{path}{name}.pool.size" if path else "pool.size", message) for name, own in mine.items() if own]
