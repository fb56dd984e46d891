"""The counts of events, on Table Storage: one row beside the run history. Satisfies ``EventCounts``."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, create, update
from shared.cloud.storage.tables import Table, etag_of
from shared.core.errors import LostRace, Upstream
from shared.core.forms import EVENT_COUNTS
from shared.core.ports.event_counts import Counted
from shared.core.typed import whole

log = logging.getLogger(__name__)

_KEY = {"PartitionKey": "journal", "RowKey": "events_in"}
_TRIES = 5


class TableEventCounts:
    """See the module. What is counted while a write is under way goes with the next one."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)
        self._pending: Counter[Counted] = Counter()
        self._lock = asyncio.Lock()

    async def add(self, what: Counted, number: int = 1) -> None:
        """Makes a point read and a conditional write, and none if another call has written the number meanwhile."""
        self._pending[what] += number
        async with self._lock:
            if not self._pending:
                return
            pending, self._pending = self._pending, Counter()
            try:
                await self._write(pending)
            except Upstream:
                log.warning("%s events could not be counted", sum(pending.values()), exc_info=True)

    async def read(self) -> Mapping[Counted, int]:
        """Makes one point read."""
        return _counts(await self._row())

    async def _write(self, pending: Mapping[Counted, int]) -> None:
        for _ in range(_TRIES):
            row = await self._row()
            counts = _counts(row)
            changed = {each.value: counts.get(each, 0) + pending.get(each, 0) for each in Counted}
            wanted = {**_KEY, **EVENT_COUNTS.stamp, **changed}
            try:
                await self._table.write([update(wanted, etag_of(row)) if row is not None else create(wanted)])
            except LostRace:
                continue
            return
        log.warning("%s events could not be counted: others count as well", sum(pending.values()))

    async def _row(self) -> Row | None:
        return await self._table.read(*_KEY.values())


def _counts(row: Row | None) -> Mapping[Counted, int]:
    return (readable(event_counts, row) or {}) if row is not None else {}


def event_counts(row: Row) -> Mapping[Counted, int]:
    """Reads a row. Raises ``Unreadable``."""
    with EVENT_COUNTS.reading(row):
        return {each: whole(row.get(each.value, 0)) for each in Counted}
