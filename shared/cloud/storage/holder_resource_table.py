"""Of which resources holders of leases are the identities, on Table Storage: one partition. Satisfies ``HolderResources``.

A row's key begins with a hash of the top resource, such as the site of a slot: so what lies in a resource is found beside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, delete, put
from shared.cloud.storage.tables import Table, between, etag_of
from shared.core.access.folding import fold
from shared.core.errors import LostRace
from shared.core.events.holder_resource import HolderResource
from shared.core.forms import HOLDER_RESOURCE
from shared.core.names import ObjectId
from shared.core.typed import instant, named, typed

_PARTITION = "holder-resource"
_OF_TOP = 9
"""Parts of the id of a resource that lies in no other one, the empty one before the first slash included."""


class TableHolderResources:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def note(self, record: HolderResource) -> None:
        """Makes one write."""
        row = {**_key(record), **HOLDER_RESOURCE.stamp, "Resource": record.resource, "At": record.at.isoformat()}
        await self._table.write([put(row)])

    async def at_or_below(self, resource: str) -> Sequence[HolderResource]:
        """Makes one range read."""
        rows = self._table.scan(between(_PARTITION, f"{_digest(resource)}_"))
        found = [readable(holder_resource, row) async for row in rows]
        return tuple(each for each in found if each is not None and each.is_at_or_below(resource))

    async def everything(self) -> AsyncIterator[HolderResource]:
        """Makes one range read."""
        async for row in self._table.scan(f"PartitionKey eq '{_PARTITION}'"):
            if (found := readable(holder_resource, row)) is not None:
                yield found

    async def forget(self, record: HolderResource) -> None:
        """Makes one conditional delete, and a read if it finds something else."""
        try:
            await self._table.write([delete(_key(record), record.version)])
        except LostRace:
            if await self._table.read(*_key(record).values()) is not None:
                raise


def _key(record: HolderResource) -> dict[str, str]:
    return {"PartitionKey": _PARTITION, "RowKey": f"{_digest(record.resource)}_{record.holder}"}


def _digest(resource: str) -> str:
    top = "/".join(fold(resource).split("/")[:_OF_TOP])
    return sha256(top.encode()).hexdigest()[:32]


def holder_resource(row: Row) -> HolderResource:
    """Reads a record. Raises ``Unreadable``."""
    with HOLDER_RESOURCE.reading(row):
        holder = named(ObjectId.parse, str(row["RowKey"]).rpartition("_")[2])
        return typed(HolderResource(holder, row["Resource"], instant(row["At"]), etag_of(row)))
