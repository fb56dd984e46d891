"""The outbox, on Table Storage: rows of the table ``leases``. Satisfies ``shared.core.ports.outbox.Outbox``.

An event is a row ``due_<instant>_event_<id>``, in the partition of the lease of which it tells. So one transaction writes it
with the lease's move, and the range reads that find due leases find it. Its text is one property: no event has as much as that
takes.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import batched
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.lease_rows import PARTITIONS, instant_key, instant_of
from shared.cloud.storage.table_operations import Operation, Row, create, delete, put
from shared.cloud.storage.tables import Table
from shared.core import ownership
from shared.core.errors import LostRace
from shared.core.forms import OUTGOING_EVENT
from shared.core.names import ULID, shard_of
from shared.core.outgoing.event import OutgoingEvent
from shared.core.ports.outbox import Waiting, WaitingEvent
from shared.resilience.tasks import all_of

TEXT = "Event"
"""The property with the text. No row of a lease has it."""
_KEY = re.compile(rf"due_([0-9TZ]+)_event_({ULID})")
_MOST_OPERATIONS = 100
"""Of a transaction: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions"""


def event_row(event: OutgoingEvent, shard: str) -> Row:
    """Returns the row of a new event, which is due at once."""
    return _row(WaitingEvent(event.id, shard, event.at, json.dumps(event.as_document(), separators=(",", ":"))))


def read_waiting(row: Row, shard: str) -> WaitingEvent | None:
    """Returns the event in a due row, or ``None`` if the row is a lease's. Of the rows of a later version it takes the text."""
    found = _KEY.fullmatch(row["RowKey"])
    return WaitingEvent(found[2], shard, instant_of(found[1]), str(row.get(TEXT) or "")) if found is not None else None


class TableOutbox:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "leases") -> None:
        self._table = Table(service, name)

    async def add(self, event: OutgoingEvent) -> None:
        """Makes one write. The partition is that of the event's own id."""
        await self._table.write([put(event_row(event, shard_of(event.id)))])

    async def forget(self, events: Sequence[WaitingEvent]) -> None:
        """Makes a transaction for each hundred events of a shard. If one of them is gone, makes a write for each."""
        by_shard: defaultdict[str, list[WaitingEvent]] = defaultdict(list)
        for event in events:
            by_shard[event.shard].append(event)
        some = (some for each in by_shard.values() for some in batched(each, _MOST_OPERATIONS, strict=False))
        await all_of(*(self._write([[delete(_key(event))] for event in each]) for each in some))

    async def postpone(self, events: Sequence[tuple[WaitingEvent, datetime]]) -> None:
        """Makes a transaction for each fifty events. If one of them is gone, makes a transaction for each."""
        for some in batched(events, _MOST_OPERATIONS // 2, strict=False):
            moves = [(event, WaitingEvent(event.id, event.shard, until, event.text)) for event, until in some]
            await self._write([[delete(_key(event)), put(_row(moved))] for event, moved in moves if _key(event) != _key(moved)])

    async def waiting(self, until: datetime, at_most: int) -> Waiting:
        """Makes sixteen range reads at once, over the due rows until then. Only rows of events are sent."""
        found = await all_of(*(self._ids(shard, until, at_most) for shard in PARTITIONS))
        ids = [each for ids in found for each in ids]
        return Waiting(min(len(ids), at_most), ownership.instant_of(min(ids)) if ids else None)

    async def _ids(self, shard: str, until: datetime, at_most: int) -> list[str]:
        found: list[str] = []
        # What a lease's due row lacks meets no comparison.
        condition = f"{due_until(shard, until)} and {TEXT} ne ''"
        async for row in self._table.scan(condition, select=["RowKey"]):
            if (key := _KEY.fullmatch(row["RowKey"])) is not None:
                found.append(key[2])
            if len(found) == at_most:
                break
        return found

    async def _write(self, each: Sequence[Sequence[Operation]]) -> None:
        """Makes all changes in one transaction. If another worker has made one of them, makes each by itself."""
        if not each:
            return
        try:
            await self._table.write([operation for operations in each for operation in operations])
        except LostRace:
            if len(each) > 1:
                for operations in each:
                    with suppress(LostRace):
                        await self._table.write(operations)


def due_until(shard: str, now: datetime) -> str:
    """Returns the condition for the rows of a partition that are due."""
    return f"PartitionKey eq '{shard}' and RowKey ge 'due_' and RowKey lt 'due_{instant_key(now)}~'"


def created(events: Sequence[OutgoingEvent], shard: str) -> list[Operation]:
    """Returns the operations that write new events with a lease's move."""
    return [create(event_row(event, shard)) for event in events]


def _key(event: WaitingEvent) -> dict[str, Any]:
    return {"PartitionKey": event.shard, "RowKey": f"due_{instant_key(event.due_at)}_event_{event.id}"}


def _row(event: WaitingEvent) -> Row:
    return {**_key(event), **OUTGOING_EVENT.stamp, TEXT: event.text}
