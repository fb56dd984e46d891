"""The store of application locks, on Table Storage. Satisfies ``LockStore`` of the kind ``application_secret``.

A row is there while a worker holds the lock: one insert takes it, one delete releases it.
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

_PARTITION = "application"


class TableApplicationLocks:
    """See the module."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "roles") -> None:
        self._table = Table(service, name)
        self._ids = ids

    async def take(self, lock: LockRecord, *, former: LockRecord | None) -> LockRecord:
        """One write; a read more when it fails, for it may be this very one, its first answer lost."""
        write_id = self._ids.guid()
        try:
            return replace(lock, version=await self._write(_row(lock, write_id), former))
        except (LostRace, Uncertain):
            stored = await self._table.read(_PARTITION, lock.application_id)
            if stored is None or stored.get("Write") != write_id:
                raise
            return replace(lock, version=etag_of(stored))

    async def get(self, application_id: ObjectId) -> LockRecord | None:
        """One point read."""
        row = await self._table.read(_PARTITION, application_id)
        return _turn(application_id, row) if row is not None else None

    async def release(self, lock: LockRecord) -> None:
        """One conditional delete."""
        with suppress(LostRace):
            await self._table.write([delete(_key(lock), lock.version)])

    async def _write(self, row: Row, former: LockRecord | None) -> str:
        (version,) = await self._table.write([update(row, former.version if former else "")])
        return version


def _key(lock: LockRecord) -> dict[str, Any]:
    return {"PartitionKey": _PARTITION, "RowKey": lock.application_id}


def _row(lock: LockRecord, write_id: str) -> dict[str, Any]:
    return _key(lock) | APPLICATION_LOCK.stamp | {"Holder": lock.holder, "Until": lock.until.isoformat(), "Write": write_id}


def _turn(application_id: ObjectId, row: Row) -> LockRecord:
    """One that cannot be read has no deadline that this worker knows: it is over when it stays as it is."""
    return readable(_readable_turn, row) or LockRecord(application_id, "", datetime.max.replace(tzinfo=UTC), etag_of(row))


def _readable_turn(row: Row) -> LockRecord:
    with APPLICATION_LOCK.reading(row):
        until = datetime.fromisoformat(row["Until"]).astimezone(UTC)
        return LockRecord(ObjectId(row["RowKey"]), str(row["Holder"]), until, etag_of(row))
