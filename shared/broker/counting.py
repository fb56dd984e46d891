"""How many leases there are: counted once an hour, and told with the time at which it was true."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from shared.broker.ports import Ports
from shared.core.names import LeaseId
from shared.core.ports.run_history import Count

_TOLD = 100
"""Leases that cannot be read, and are noted."""
_lines: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
"""Where those wait who have met a store in which nobody has counted yet."""


async def count_all(ports: Ports, unreadable: Sequence[LeaseId] = ()) -> Count:
    """Counts every lease, and notes it, with the first of those that cannot be read. Raises ``Upstream``."""
    count = Count(ports.now(), await ports.leases.count(), tuple(unreadable[:_TOLD]))
    await ports.run_history.counted(count)
    return count


async def first_count(ports: Ports) -> Count:
    """The same where there is no count yet: of many who ask at once, one counts."""
    line = _lines.setdefault(id(ports.run_history), asyncio.Lock())
    async with line:
        return await ports.run_history.last_count() or await count_all(ports)
