"""Revoking: one lease at once, or all of a role by one write that is in force at once, and a fan-out behind it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.broker.access import lease_for, require_admin
from shared.broker.ending import claim, put_off, take_back
from shared.broker.hold import Hold
from shared.broker.outside import Outside, Request
from shared.core.batch import Recall
from shared.core.errors import LostRace, Uncertain, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.patience import both

log = logging.getLogger(__name__)


async def revoke(outside: Outside, request: Request, lease_id: LeaseId) -> Lease:
    """Ends the lease: ENDED, or ENDING when Azure is slow or another worker is at it. Repeating it is harmless.

    Raises ``NotFound``, ``Upstream`` (storage).
    """
    lease = await lease_for(outside, request.caller, lease_id)
    if lease.state is State.ENDED:
        return lease
    try:
        async with await claim(outside, lease, Cause.REVOKED) as hold:
            await outside.audit.record(request.done(outside, "revoke", role=lease_id.role, lease=lease_id))
            if outside.outages.concern(lease.footprint):
                # Nobody waits for what this worker knows to be out of reach: a sweep tries it.
                return await _put_off(outside, hold)
            return await take_back(outside, hold, request_id=request.id, patience=outside.timing.inline_undo)
    except LostRace:
        # Whoever was faster is ending it, or has only renewed it, or its hold on it, and will lose on the next try.
        return await _as_it_stands(outside, request, lease_id)


async def _put_off(outside: Outside, hold: Hold) -> Lease:
    lease = await put_off(outside, hold, Uncertain.code, 0.0)
    if not outside.outages.concern(lease.footprint):
        # It has come back meanwhile: whoever took up then what waits did not see this one.
        outside.outages.recovered()
    return lease


async def _as_it_stands(outside: Outside, request: Request, lease_id: LeaseId) -> Lease:
    lease = await lease_for(outside, request.caller, lease_id)
    return await revoke(outside, request, lease_id) if lease.state in {State.PLANNED, State.ACTIVE} else lease


@dataclass(frozen=True, slots=True)
class Revoking:
    """A role's leases that are to end: exactly so many at the instant ``as_of``."""

    count: int
    as_of: datetime


_COUNTED_HERE = 1000
"""Leases up to which they are counted now; more are told as the hourly reconciliation has last counted them, if it has."""
_ALL = 1_000_000
"""More than a role can have."""


async def revoke_role(outside: Outside, request: Request, role: RoleName) -> Revoking:
    """Ends every lease of the role that was opened before; in force when this returns, whatever their number.

    From then on none of them is activated, renewed, repeated or told as active. A fan-out, which begins at once, takes them
    back in Azure. Repeating it is harmless. Raises ``Forbidden``, ``Upstream`` (storage).
    """
    require_admin(request.caller)
    now = outside.now()
    generation, counted = await both(outside.generations.advance(role), outside.leases.count_few(role, _COUNTED_HERE))
    await _begin(outside, role)
    revoking = Revoking(counted, now) if counted is not None else await _many(outside, role, now)
    reason = f"{revoking.count} leases, generation {generation.number}"
    await outside.audit.record(request.done(outside, "revoke_role", role=role, reason=reason))
    return revoking


async def _many(outside: Outside, role: RoleName, now: datetime) -> Revoking:
    """As last counted. Where that knew nothing of so many, they have all come since: they are counted now."""
    last = await outside.journal.last_count()
    if last is not None and last.live(role) > _COUNTED_HERE:
        return Revoking(last.live(role), last.at)
    return Revoking(await outside.leases.count_live(role, at_most=_ALL), now)


async def _begin(outside: Outside, role: RoleName) -> None:
    """Sends the message that begins the fan-out. Without it the next sweep does."""
    try:
        await outside.revocations.send(Recall(outside.ids.guid(), role))
    except Upstream:
        log.warning("the recall of role %s could not be queued", role, exc_info=True)
