"""After an outage of Azure's: what waits only because of it is taken up at once, not when its next attempt would be due."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from shared.broker.fan_out import leave
from shared.broker.outside import Outside
from shared.core.errors import LostRace, Uncertain, Unreachable
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.ports import LeaseQuery
from shared.core.urgency import in_background

log = logging.getLogger(__name__)

AT_A_GO = 200
"""Leases: a service that has just come back is not asked everything at once."""
_PAUSE = 15.0
_PAGE = 1000
_CAUSES = (Uncertain.code, Unreachable.code)


async def resume(outside: Outside) -> int:
    """Makes due, and leaves to the queue, what has failed to end for want of an answer; gives how many. Stuck ones as well.

    So many at a go, with a pause between. Raises ``Upstream`` when storage fails: what is due by then is the next sweep's.
    """
    count = 0
    with in_background():
        while made := await _one_go(outside):
            count += made
            if made < AT_A_GO:
                break
            await outside.clock.sleep(_PAUSE)
    if count:
        log.info("%d leases that waited for Azure to answer are due", count)
    return count


async def _one_go(outside: Outside) -> int:
    due: list[LeaseId] = []
    async for lease_id in _waiting(outside):
        if await _make_due(outside, lease_id):
            due.append(lease_id)
        if len(due) == AT_A_GO:
            break
    await leave(outside, due)
    return len(due)


async def _waiting(outside: Outside) -> AsyncIterator[LeaseId]:
    for state in (State.ENDING, State.STUCK):
        query = LeaseQuery(state=state, limit=_PAGE)
        while True:
            page = await outside.leases.list(query)
            for told in page.items:
                if told.last_error.startswith(_CAUSES):
                    yield told.id
            if page.cursor is None:
                break
            query = replace(query, cursor=LeaseId(page.cursor))


async def _make_due(outside: Outside, lease_id: LeaseId) -> bool:
    lease, now = await outside.leases.get(lease_id), outside.now()
    if lease is None or lease.due_at <= now or lease.is_being_ended(now) or not lease.last_error.startswith(_CAUSES):
        return False
    try:
        await outside.leases.swap(lease.held_until(now), former=lease)
    except LostRace:
        return False
    return True
