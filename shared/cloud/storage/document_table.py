"""A store of documents of one type, on Table Storage. Satisfies ``shared.core.ports.documents.Documents``.

All documents of a type share one partition of the table ``roles``. They are few, and listing them is one range read. A new
type takes a ``DocumentType`` and one line in the composition.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.table_operations import Operation, Row, create, delete, put, update
from shared.cloud.storage.tables import Table, chunked, etag_of, joined
from shared.core.errors import LostRace, PreconditionFailed, Uncertain
from shared.core.forms import StoredType, form_of
from shared.core.ports.documents import ANY, Expect, Presence, Version
from shared.core.ports.system import Ids


@dataclass(frozen=True, slots=True)
class DocumentType[T]:
    """How documents of a type are stored: their partition, their names, and the JSON of each."""

    partition: str
    form: StoredType
    name_of: Callable[[T], str]
    store: Callable[[T], Any]
    """Returns what ``json.dumps`` takes."""
    restore: Callable[[str, Any, str, int], T]
    """Returns the document, given its name, what was stored (``None`` if that is damaged), its version and its form.

    Raises nothing.
    """
    with_version: Callable[[T, str], T]


class TableDocuments[T]:
    """See the module."""

    def __init__(self, service: TableServiceClient, ids: Ids, stored: DocumentType[T], name: str = "roles") -> None:
        self._table = Table(service, name)
        self._ids = ids
        self._kept = stored

    async def get(self, name: str) -> T | None:
        """Makes one point read."""
        row = await self._table.read(self._kept.partition, name)
        return restored(self._kept, row) if row is not None else None

    async def list(self) -> tuple[T, ...]:
        """Makes one range read."""
        rows = self._table.scan(f"PartitionKey eq '{self._kept.partition}'")
        return tuple([restored(self._kept, row) async for row in rows])

    async def put(self, document: T, *, expected: Expect) -> T:
        """Makes one write. It is conditional unless ``expected`` is ``ANY``."""
        write_id, name = self._ids.guid(), self._kept.name_of(document)
        row: dict[str, Any] = {
            "PartitionKey": self._kept.partition,
            "RowKey": name,
            **self._kept.form.stamp,
            "Write": write_id,
            **chunked("Document", json.dumps(self._kept.store(document))),
        }
        try:
            (version,) = await self._table.write([_put(row, expected)])
        except (LostRace, Uncertain) as error:
            # The stored row may be this very one: the answer to the first write was lost.
            stored = await self._table.read(self._kept.partition, name)
            if stored is not None and stored.get("Write") == write_id:
                return self._kept.with_version(document, etag_of(stored))
            if isinstance(error, LostRace):
                raise PreconditionFailed from error
            raise
        return self._kept.with_version(document, version)

    async def delete(self, name: str, *, expected: Expect) -> bool:
        """Makes a read and a conditional delete."""
        row = await self._table.read(self._kept.partition, name)
        if row is None:
            return False
        if expected not in {ANY, Version(etag_of(row))}:
            raise PreconditionFailed
        key = {"PartitionKey": self._kept.partition, "RowKey": name}
        try:
            await self._table.write([delete(key, etag_of(row))])
        except LostRace as lost:
            if await self._table.read(self._kept.partition, name) is not None:
                raise PreconditionFailed from lost
        return True


def restored[T](of: DocumentType[T], row: Row) -> T:
    """Returns the document in a row. Raises nothing: a damaged row must not keep other documents from being read."""
    try:
        stored = json.loads(joined("Document", row))
    except (ValueError, RecursionError):
        stored = None
    return of.restore(str(row["RowKey"]), stored, etag_of(row), form_of(row))


def _put(row: dict[str, Any], expected: Expect) -> Operation:
    match expected:
        case Version(tag):
            return update(row, tag)
        case Presence.ABSENT:
            return create(row)
        case Presence.ANY:
            return put(row)
