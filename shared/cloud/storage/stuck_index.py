"""An index of the leases that are stuck, in one partition. ``GET /status`` reads it; it is nearly always empty.

A row is a hint, and the lease itself is the truth. The hint is written before a lease becomes stuck, and deleted after the
lease has ended. If the worker dies in between, there is a hint too many, which the reconciliation removes, and never one too
few.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from shared.cloud.storage.lease_rows import index_key, indexed_id
from shared.cloud.storage.table_operations import Row, delete, put
from shared.cloud.storage.tables import Table
from shared.core.errors import LostRace, Upstream
from shared.core.forms import STUCK_HINT
from shared.core.names import LeaseId

_PARTITION = "stuck"


class StuckIndex:
    """The index of one table of leases."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def note(self, lease_id: LeaseId) -> None:
        """Makes one write. Raises ``Upstream``."""
        await self._table.write([put({**_row(lease_id), **STUCK_HINT.stamp})])

    async def forget(self, lease_id: LeaseId) -> None:
        """Makes one delete. A hint that cannot be deleted stays for the reconciliation."""
        with suppress(LostRace, Upstream):
            await self._table.write([delete(_row(lease_id))])

    async def pages(self, size: int) -> AsyncIterator[list[LeaseId]]:
        """Yields the leases with a hint, the newest first, ``size`` at a time. Raises ``Upstream``."""
        async for rows, _ in self._table.pages(f"PartitionKey eq '{_PARTITION}'", select=["RowKey"], limit=size):
            yield [indexed_id(row["RowKey"]) for row in rows]


def _row(lease_id: LeaseId) -> Row:
    return {"PartitionKey": _PARTITION, "RowKey": index_key("stuck_", lease_id)}
