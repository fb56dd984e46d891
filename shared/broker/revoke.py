"""Revoking: one lease at once, or all of a role by one write that is in force at once, and a fan-out behind it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.broker.access import lease_for
from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ending.undo import claim, postpone, undo
from shared.broker.ports import Actor, Ports
from shared.core.errors import LostRace, Uncertain, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.message import Recall
from shared.core.names import LeaseId, RoleName
from shared.resilience.tasks import both

log = logging.getLogger(__name__)


async def revoke(ports: Ports, actor: Actor, lease_id: LeaseId) -> Lease:
    """Ends the lease: ENDED, or ENDING when Azure is slow or another worker is at it. Repeating it is harmless.

    Raises ``NotFound``, ``Upstream`` (storage).
    """
    lease = await lease_for(ports, actor.caller, lease_id, "revoke")
    if lease.state is State.ENDED:
        return lease
    try:
        async with await claim(ports, lease, Cause.REVOKED) as lock:
            await ports.audit.record(actor.done(ports, "revoke", role=lease_id.role, lease=lease_id))
            if is_out_of_reach(ports, lease):
                # Nobody waits for what this worker knows to be out of reach: a sweep tries it.
                return await leave_to_recovery(ports, lock)
            return await undo(ports, lock, request_id=actor.id, within=ports.timing.inline_undo)
    except LostRace:
        # Whoever was faster is ending it, or has only renewed it, or its hold on it, and will lose on the next try.
        return await _as_it_stands(ports, actor, lease_id)


async def leave_to_recovery(ports: Ports, lock: LeaseLock) -> Lease:
    """Leaves a claimed lease, which is out of reach, to the end of the outage. Raises as ``postpone``."""
    lease = await postpone(ports, lock, Uncertain.code, 0.0)
    if not is_out_of_reach(ports, lease):
        # It has come back meanwhile: whoever took up then what waits did not see this one.
        ports.outages.recovered()
    return lease


def is_out_of_reach(ports: Ports, lease: Lease) -> bool:
    """Whether this worker knows of each part that is left that a service which undoing it asks does not answer."""
    left = ports.kinds.services(lease)
    return bool(left) and all(ports.outages.concern(services) for services in left)


async def _as_it_stands(ports: Ports, actor: Actor, lease_id: LeaseId) -> Lease:
    lease = await lease_for(ports, actor.caller, lease_id, "revoke")
    return await revoke(ports, actor, lease_id) if lease.state.is_open else lease


@dataclass(frozen=True, slots=True)
class Revoking:
    """A role's leases that are to end: exactly so many at the instant ``as_of``."""

    count: int
    as_of: datetime


_COUNTED_HERE = 1000
"""Leases up to which they are counted now; more are told as the hourly reconciliation has last counted them, if it has."""
_ALL = 1_000_000
"""More than a role can have."""


async def revoke_role(ports: Ports, actor: Actor, role: RoleName) -> Revoking:
    """Ends every lease of the role that was opened before; in force when this returns, whatever their number.

    From then on none of them is activated, renewed, repeated or told as active. A fan-out, which begins at once, takes them
    back in Azure. Repeating it is harmless. Raises ``Upstream`` (storage).
    """
    now = ports.now()
    generation, counted = await both(ports.generations.advance(role), ports.leases.count_few(role, _COUNTED_HERE))
    await _begin(ports, role)
    revoking = Revoking(counted, now) if counted is not None else await _many(ports, role, now)
    reason = f"{revoking.count} leases, generation {generation.number}"
    await ports.audit.record(actor.done(ports, "revoke_role", role=role, reason=reason))
    return revoking


async def _many(ports: Ports, role: RoleName, now: datetime) -> Revoking:
    """As last counted. Where that knew nothing of so many, they have all come since: they are counted now."""
    last = await ports.run_history.last_count()
    if last is not None and last.live(role) > _COUNTED_HERE:
        return Revoking(last.live(role), last.at)
    return Revoking(await ports.leases.count_live(role, at_most=_ALL), now)


async def _begin(ports: Ports, role: RoleName) -> None:
    """Sends the message that begins the fan-out. Without it the next sweep does."""
    try:
        await ports.revocations.send(Recall(ports.ids.guid(), role))
    except Upstream:
        log.warning("the recall of role %s could not be queued", role, exc_info=True)
