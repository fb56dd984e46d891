"""The principals that leases have made, on Table Storage. Satisfies ``shared.core.ports.leased.LeasedPrincipals``.

Each object id and each application id has a row ``minted_<id>`` in the table ``leases``. The row lies in the partition of the
id's own hash, because a caller shows the id and not the lease.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.table_operations import delete, put
from shared.cloud.storage.tables import Table
from shared.core.errors import LostRace
from shared.core.forms import LEASED_PRINCIPAL
from shared.core.names import LeaseId, ObjectId, shard_of
from shared.resilience.tasks import all_of


class TableLeasedPrincipals:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "leases") -> None:
        self._table = Table(service, name)

    async def note(self, ids: Collection[ObjectId], lease_id: LeaseId) -> None:
        """Makes one write an id, side by side."""
        rows = [_key(each) | LEASED_PRINCIPAL.stamp | {"LeaseId": lease_id} for each in ids]
        await all_of(*(self._table.write([put(row)]) for row in rows))

    async def find(self, ids: Collection[ObjectId]) -> LeaseId | None:
        """Makes one point read an id, side by side."""
        keys = [_key(each) for each in ids]
        rows = await all_of(*(self._table.read(key["PartitionKey"], key["RowKey"]) for key in keys))
        # Any row keeps the principal out, whatever its form, even if it does not name its lease.
        return next((LeaseId(str(row.get("LeaseId", ""))) for row in rows if row is not None), None)

    async def forget(self, ids: Collection[ObjectId]) -> None:
        """Makes one delete an id, side by side."""
        await all_of(*(self._delete(each) for each in ids))

    async def _delete(self, each: ObjectId) -> None:
        with suppress(LostRace):
            await self._table.write([delete(_key(each))])


def _key(each: ObjectId) -> dict[str, str]:
    return {"PartitionKey": shard_of(each), "RowKey": f"minted_{each}"}
