"""Revoking: one lease at once, or all of a role by way of the sweep."""

from __future__ import annotations

import logging
from dataclasses import replace

from shared.broker.access import lease_for, require_admin
from shared.broker.ending import claim, take_back
from shared.broker.outside import Outside, Request
from shared.core.errors import LostRace, Refused
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.ports import LeaseQuery

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
            return await take_back(outside, hold, request_id=request.id, patience=outside.timing.inline_undo)
    except LostRace:
        # Whoever was faster is ending it, or has only renewed it, or its hold on it, and will lose on the next try.
        return await _as_it_stands(outside, request, lease_id)


async def _as_it_stands(outside: Outside, request: Request, lease_id: LeaseId) -> Lease:
    lease = await lease_for(outside, request.caller, lease_id)
    return await revoke(outside, request, lease_id) if lease.state in {State.PLANNED, State.ACTIVE} else lease


async def revoke_role(outside: Outside, request: Request, role: RoleName) -> int:
    """Makes every live lease of the role due at once, for the sweep; gives how many.

    One that cannot be moved keeps none of the others; its failure is raised in the end. Raises ``Forbidden``, ``Upstream``.
    """
    require_admin(request.caller)
    refused: Refused | None = None
    count, query = 0, LeaseQuery(role=role, limit=1000)
    while True:
        page = await outside.leases.list(query)
        for lease in page.items:
            if not lease.state.is_live:
                continue
            try:
                count += await _make_due(outside, lease.id)
            except Refused as error:
                log.exception("lease %s cannot be made due", lease.id)
                refused = refused or error
        if page.cursor is None:
            break
        query = replace(query, cursor=LeaseId(page.cursor))
    if refused is not None:
        raise refused
    await outside.audit.record(request.done(outside, "revoke_role", role=role, reason=f"{count} leases"))
    return count


async def _make_due(outside: Outside, lease_id: LeaseId) -> int:
    while True:
        lease = await outside.leases.get(lease_id)
        if lease is None or not lease.state.is_live:
            return 0
        now = outside.now()
        try:
            await outside.leases.swap(lease.ending(Cause.REVOKED, now, now), former=lease)
        except LostRace:
            continue
        return 1
