"""Leases made due in storage, as if their ends had come: nobody has begun to end them, as a revocation would at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from local.stack import Stack
from shared.core.errors import LostRace
from shared.core.lease import Cause
from shared.core.names import LeaseId, RoleName
from shared.core.ports.leases import LeaseQuery
from shared.wiring.root import Composition


async def make_due(stack: Stack, role: str) -> int:
    """All live leases of the role; gives how many. One that waits for its next attempt waits no longer."""
    parts = Composition(stack.environment())
    async with parts.storage.tables:
        count, query = 0, LeaseQuery(role=RoleName(role), limit=1000)
        while True:
            page = await parts.ports.leases.list(query)
            for result in page.items:
                count += await _end(parts, result.id, parts.ports.now()) if result.state.is_live else 0
            if page.cursor is None:
                return count
            query = LeaseQuery(role=RoleName(role), limit=1000, cursor=LeaseId(page.cursor))


async def _end(parts: Composition, lease_id: LeaseId, now: datetime) -> int:
    while (lease := await parts.ports.leases.get(lease_id)) is not None and lease.state.is_live:
        # A worker may be at it.
        with suppress(LostRace):
            await parts.ports.leases.swap(lease.ending(Cause.REVOKED, now, now), former=lease)
            return 1
    return 0
