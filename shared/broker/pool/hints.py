"""What stands in a role's pool: which lease fits, and the hints at leases.

The leases' own rows are the truth. A hint may be lost or late, so that whoever writes one goes on if that fails: filling mends
the hints of a pool that seems too small, and whoever follows a stale hint forgets it.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from shared.broker.ports import Ports
from shared.core.errors import LostRace, Unreadable, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.pool import Hint
from shared.core.role import Role
from shared.kinds.pooling import pool_digest, pool_of

log = logging.getLogger(__name__)


def misfit(ports: Ports, lease: Lease, role: Role | None, generation: int) -> Cause | None:
    """Returns why a lease of a pool, or for one, is of no use to its role as it is stored today; ``None`` if it fits.

    ``generation`` is the role's. ``role`` is ``None`` if it was deleted.
    """
    if lease.is_overtaken(generation):
        return Cause.REVOKED
    if role is None or not pool_of(ports.kinds, role).size or lease.pool_digest != pool_digest(ports.kinds, role):
        return Cause.DRAINED
    return Cause.DRAINED if lease.state is State.POOLED and lease.due_at <= ports.now() else None


def hint_of(lease: Lease) -> Hint:
    """Returns the hint at a pooled lease. Nobody has looked at it since it was made."""
    at = lease.ready_at or lease.made_by
    return Hint(lease.id, at, lease.pool_digest, at, lease.generation)


async def note(ports: Ports, hint: Hint) -> None:
    """Stores a hint. Raises nothing that is foreseen."""
    try:
        await ports.pools.note(hint)
    except Upstream:
        log.warning("the hint at lease %s is lost until its pool is filled", hint.lease, exc_info=True)


async def forget(ports: Ports, hint: Hint) -> None:
    """Deletes a hint. Raises nothing that is foreseen."""
    try:
        await ports.pools.forget(hint)
    except Upstream:
        log.warning("the hint at lease %s is stale until somebody follows it", hint.lease, exc_info=True)


async def drain(ports: Ports, hint: Hint, cause: Cause = Cause.DRAINED) -> bool:
    """Ends a lease that its pool does not need any more, as the sweep's next work. Returns whether it was this call.

    Raises ``Upstream`` if storage fails.
    """
    drained = False
    with suppress(LostRace, Unreadable):
        lease = await ports.leases.get(hint.lease)
        if lease is not None and lease.state is State.POOLED:
            now = ports.now()
            await ports.leases.swap(lease.ending(cause, now, now), former=lease)
            drained = True
            log.info("lease %s of a pool ends: %s", lease.id, cause)
    await forget(ports, hint)
    return drained
