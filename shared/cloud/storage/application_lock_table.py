"""The store of application locks, on Table Storage. Satisfies ``LockStore`` of the kind ``application_secret``.

While a worker holds the lock, its row is there. One insert takes the lock, and one delete releases it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, delete, update
from shared.cloud.storage.tables import Table, etag_of
from shared.core.application_lock import LockRecord
from shared.core.errors import LostRace, Uncertain
from shared.core.forms import APPLICATION_LOCK
from shared.core.names import ObjectId
from shared.core.ports.system import Ids
from shared.core.typed import instant, typed

_PARTITION = "application"


class TableApplicationLocks:
    """See the module."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "roles") -> None:
        self._table = Table(service, name)
        self._ids = ids

    async def take(self, lock: LockRecord, *, former: LockRecord | None) -> LockRecord:
        """Makes one write. If that fails, makes one read: the row may be this very one, and the answer was lost."""
        write_id = self._ids.guid()
        until = lock.until.isoformat()
        row = _key(lock) | APPLICATION_LOCK.stamp | {"Holder": lock.holder, "Until": until, "Write": write_id}
        try:
            (version,) = await self._table.write([update(row, former.version if former else "")])
        except (LostRace, Uncertain):
            stored = await self._table.read(_PARTITION, lock.application_id)
            if stored is None or stored.get("Write") != write_id:
                raise
            version = etag_of(stored)
        return replace(lock, version=version)

    async def get(self, application_id: ObjectId) -> LockRecord | None:
        """Makes one point read. A record that cannot be read has the last of all deadlines, and is over if it never changes."""
        row = await self._table.read(_PARTITION, application_id)
        if row is None:
            return None
        return readable(_record, row) or LockRecord(application_id, "", datetime.max.replace(tzinfo=UTC), etag_of(row))

    async def release(self, lock: LockRecord) -> None:
        """Makes one conditional delete."""
        with suppress(LostRace):
            await self._table.write([delete(_key(lock), lock.version)])


def _key(lock: LockRecord) -> dict[str, Any]:
    return {"PartitionKey": _PARTITION, "RowKey": lock.application_id}


def _record(row: Row) -> LockRecord:
    with APPLICATION_LOCK.reading(row):
        until = instant(row["Until"]).astimezone(UTC)
        return typed(LockRecord(ObjectId(row["RowKey"]), row["Holder"], until, etag_of(row)))
