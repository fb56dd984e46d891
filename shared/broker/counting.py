"""How many leases there are: counted once an hour, and told with the time at which it was true."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from shared.broker.outside import Outside
from shared.core.names import LeaseId
from shared.core.ports import Count

_TOLD = 100
"""Leases that cannot be read, and are noted."""
_turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
"""Where those wait who have met a store in which nobody has counted yet."""


async def count_all(outside: Outside, unreadable: Sequence[LeaseId] = ()) -> Count:
    """Counts every lease, and notes it, with the first of those that cannot be read. Raises ``Upstream``."""
    count = Count(outside.now(), await outside.leases.census(), tuple(unreadable[:_TOLD]))
    await outside.journal.counted(count)
    return count


async def first_count(outside: Outside) -> Count:
    """The same where there is no count yet: of many who ask at once, one counts."""
    turn = _turns.setdefault(id(outside.journal), asyncio.Lock())
    async with turn:
        return await outside.journal.last_count() or await count_all(outside)
