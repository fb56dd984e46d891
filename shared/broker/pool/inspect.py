"""How the pools are doing, as ``status`` tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.broker.ports import Ports
from shared.core.lease import State
from shared.core.names import RoleName
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from shared.kinds.pooling import pool_digest, pool_of
from shared.resilience.tasks import all_of, both

_MOST = 100
"""Leases of a role that are being made, among which those for its pool are counted."""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """``oldest``: since when the lease has waited that has waited longest, in UTC. ``failing``: the code of the last failure.

    ``ready`` is told by the hints: a lease that was claimed a moment ago may be among them.
    """

    ready: int
    filling: int
    wanted: int
    oldest: datetime | None = None
    failing: str = ""


async def pools(ports: Ports, roles: Sequence[Role]) -> Mapping[RoleName, PoolStatus]:
    """Returns the roles with pools, by name. Makes three reads, and one for each such role. Without such a role, none."""
    wanted = {role.name: role for role in roles if pool_of(ports.kinds, role).size}
    if not wanted:
        return {}
    ((hints, fillings), generations), filling = await both(
        both(both(ports.pools.hints(), ports.pools.fillings()), ports.generations.all()),
        all_of(*(_filling(ports, name) for name in wanted)),
    )
    found: dict[RoleName, PoolStatus] = {}
    for (name, role), count in zip(wanted.items(), filling, strict=True):
        digest = pool_digest(ports.kinds, role)
        generation = generations[name].number if name in generations else 0
        ready = [hint for hint in hints.get(name, ()) if hint.digest == digest and hint.generation >= generation]
        failing = fillings[name].last_error if name in fillings else ""
        oldest = ready[0].ready_at if ready else None
        found[name] = PoolStatus(len(ready), count, pool_of(ports.kinds, role).size, oldest, failing)
    return found


async def _filling(ports: Ports, name: RoleName) -> int:
    page = await ports.leases.list(LeaseQuery(role=name, state=State.PLANNED, limit=_MOST))
    return sum(view.holder is None for view in page.items)
