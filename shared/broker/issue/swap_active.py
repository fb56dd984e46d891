"""Storing a change of an active lease, whoever changes its row meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from shared.broker.ports import Ports
from shared.core.errors import LostRace
from shared.core.lease import Lease, State


async def swap_active(
    ports: Ports,
    lease: Lease,
    change: Callable[[Lease], Lease],
    *,
    tries: int,
    is_mine: Callable[[Lease], bool] = lambda _: True,
) -> Lease:
    """Returns the changed lease as stored. Raises ``LostRace`` unless it is active and ``is_mine``, or after so many tries."""
    stored: Lease | None = lease
    for _ in range(tries):
        if stored is None or stored.state is not State.ACTIVE or not is_mine(stored):
            break
        try:
            return await ports.leases.swap(change(stored), former=stored)
        except LostRace:
            stored = await ports.leases.get(lease.id)
    raise LostRace
