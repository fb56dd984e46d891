"""Which leases wait in the queue, on Table Storage. Satisfies ``shared.core.ports.Tickets``."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.cloud.table_operations import delete
from shared.cloud.tables import Table
from shared.core.batch import Batch
from shared.core.errors import LostRace
from shared.core.names import LeaseId

_PARTITION = "waiting"


class TableTickets:
    """See the module. A row a message, beside the sweep's journal: hundreds at most, and none at rest."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def note(self, batch: Batch, until: datetime) -> None:
        """One insert."""
        told = {"Until": until.astimezone(UTC).isoformat(), "Leases": json.dumps(batch.leases)}
        await self._table.keep({"PartitionKey": _PARTITION, "RowKey": batch.id, **told})

    async def waiting(self, now: datetime) -> frozenset[LeaseId]:
        """One range read, and a delete for each that has lapsed."""
        found: set[LeaseId] = set()
        async for row in self._table.scan(f"PartitionKey eq '{_PARTITION}'"):
            if datetime.fromisoformat(row["Until"]) > now:
                found.update(LeaseId(each) for each in json.loads(row["Leases"]))
            else:
                await self.forget(row["RowKey"])
        return frozenset(found)

    async def forget(self, batch_id: str) -> None:
        """One delete."""
        with suppress(LostRace):
            await self._table.write([delete({"PartitionKey": _PARTITION, "RowKey": batch_id})])
