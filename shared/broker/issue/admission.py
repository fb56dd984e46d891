"""Keeping a role within its ``max_leases``, on whichever workers its leases are issued.

A lease takes room from its admission until it ends. Who is admitted is decided by one row of the role's, which lists the leases
that are admitted and still being made: each admission reads the row, counts, and replaces the row if it is as it was. So the
admissions of a role come one after the other in storage's own order. Neither an id nor a clock is compared, and nobody who was
admitted gives way.

What the row says is believed only of a lease that is PLANNED: one whose worker has died takes no room once the sweep has taken
it up, and nothing has to be given back.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from shared.broker.ports import Ports
from shared.core.errors import Interrupted, LostRace, TooMany, Uncertain
from shared.core.lease import Lease
from shared.core.names import RoleName

_PATIENCE = 30.0
"""Seconds. Each attempt that fails is another one's that succeeds, or storage in trouble."""
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_lines: WeakValueDictionary[tuple[int, RoleName], asyncio.Lock] = WeakValueDictionary()
"""Where a worker's own issues of a role line up, so that they do not take the row from one another."""


async def admit(ports: Ports, lease: Lease, most: int, *, since: int) -> None:
    """Returns when the lease, which is stored and PLANNED, is one of the ``most`` that its role may have since that generation.

    Raises ``TooMany``; ``Interrupted`` when others kept coming first; ``Upstream``.
    """
    line = _lines.setdefault((id(ports.roles), lease.id.role), asyncio.Lock())
    until, pause = ports.within(_PATIENCE), _PAUSE
    async with line:
        while not await _admitted(ports, lease, most, since):
            if ports.clock.monotonic() >= until:
                raise Interrupted
            await ports.clock.sleep(pause * (0.5 + ports.ids.jitter()))
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _admitted(ports: Ports, lease: Lease, most: int, since: int) -> bool:
    """One attempt: ``False`` when somebody else has replaced the row meanwhile, or may have."""
    role = lease.id.role
    admissions = await ports.roles.admissions(role)
    if lease.id in admissions.leases:
        return True
    room = await ports.leases.room_taken(role, admissions.leases, most, since=since)
    if room.taken >= most:
        raise TooMany("The role has as many live leases as it may have.", code="too_many_leases")
    try:
        await ports.roles.admit(role, room.planned | {lease.id}, former=admissions)
    except (LostRace, Uncertain):
        return False
    return True
