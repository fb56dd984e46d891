"""The markers of leases that wait in the queue, on Table Storage. Satisfies ``shared.core.ports.QueuedMarkers``."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, delete
from shared.cloud.storage.tables import Table
from shared.core.errors import LostRace
from shared.core.forms import QUEUED_MARKER
from shared.core.message import Batch
from shared.core.names import LeaseId
from shared.core.typed import instant

_PARTITION = "waiting"


class TableQueuedMarkers:
    """See the module. Each message has a row, beside the run history: hundreds at most, and none at rest."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def note(self, batch: Batch, until: datetime) -> None:
        """Makes one insert."""
        content = QUEUED_MARKER.stamp | {"Until": until.astimezone(UTC).isoformat(), "Leases": json.dumps(batch.leases)}
        await self._table.keep({"PartitionKey": _PARTITION, "RowKey": batch.id, **content})

    async def waiting(self, now: datetime) -> frozenset[LeaseId]:
        """Makes one range read, and deletes each marker that has lapsed or cannot be read: its leases are queued once more."""
        found: set[LeaseId] = set()
        async for row in self._table.scan(f"PartitionKey eq '{_PARTITION}'"):
            marker = readable(_marker, row)
            if marker is not None and marker[1] > now:
                found.update(marker[0])
            else:
                await self.forget(row["RowKey"])
        return frozenset(found)

    async def forget(self, batch_id: str) -> None:
        """Makes one delete."""
        with suppress(LostRace):
            await self._table.write([delete({"PartitionKey": _PARTITION, "RowKey": batch_id})])


def _marker(row: Row) -> tuple[frozenset[LeaseId], datetime]:
    """Returns the leases that wait, and the instant at which the marker lapses."""
    with QUEUED_MARKER.reading(row):
        leases = frozenset(LeaseId.parse(each) for each in json.loads(row["Leases"]))
        return leases, instant(row["Until"]).astimezone(UTC)
