"""Counts leases: once an hour, with the time of the count."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from shared.broker.ports import Ports
from shared.core.names import LeaseId
from shared.core.ports.run_history import Count

_TOLD = 100
"""So many unreadable leases are noted at most."""
_lines: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
"""While a store has no count, callers wait here: one of them counts."""


async def count_all(ports: Ports, unreadable: Sequence[LeaseId] = ()) -> Count:
    """Counts all leases, and notes the count and the first unreadable leases. Raises ``Upstream``."""
    count = Count(ports.now(), await ports.leases.count(), tuple(unreadable[:_TOLD]))
    await ports.run_history.counted(count)
    return count


async def first_count(ports: Ports) -> Count:
    """Returns the last count. If there is none yet, counts: of many callers at once, one counts."""
    line = _lines.setdefault(id(ports.run_history), asyncio.Lock())
    async with line:
        return await ports.run_history.last_count() or await count_all(ports)
