"""A store of documents of one type, on Table Storage. Satisfies ``shared.core.ports.documents.Documents``.

All documents of a type share one partition of the table ``roles``, and listing them is one range read. Types may share a
partition as well: then the row keys of each begin with a prefix of its own. A new type takes a ``DocumentType`` and one line in
the composition.

The event of a change is a row of the same partition until the audit trail has it. Its key begins with ``~``, which comes after
every character of a name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.audit_rows import audit_row, readable_event
from shared.cloud.storage.table_operations import Operation, Row, create, delete, put, update
from shared.cloud.storage.tables import Table, Token, between, chunked, etag_of, joined, past, quoted
from shared.core.audit import AuditEvent
from shared.core.errors import LostRace, PreconditionFailed, Uncertain
from shared.core.forms import PENDING_EVENT, StoredType, form_of
from shared.core.ports.documents import ANY, Deleted, Expect, Presence, Version
from shared.core.ports.page import Page
from shared.core.ports.system import Ids

_PENDING = "~"
_REMEMBERED = 100
"""Documents of a type that a worker does not restore again while their rows stay the same."""


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
    prefix: str = ""
    """What the row key of each document begins with, before the name."""
    beside: Callable[[str | None], Sequence[Operation]] = lambda _: ()
    """Returns what is written in one transaction with each write and each deletion of a document, in the partition.

    It is given the version of what the documents make together, by which the change was judged; ``None``: any will do.
    """
    has_whole: bool = False
    """Whether the first row of ``beside`` is that which has this version."""

    def key(self, name: str) -> dict[str, str]:
        """Returns the key of a document's row."""
        return {"PartitionKey": self.partition, "RowKey": f"{self.prefix}{name}"}

    def after(self, name: str) -> str:
        """Returns the condition for the documents with a greater name. Every name is greater than the empty one."""
        start = f"PartitionKey eq '{self.partition}' and RowKey gt {quoted(self.prefix + name)}"
        return f"{start} and RowKey lt '{past(self.prefix) if self.prefix else _PENDING}'"

    def pending_key(self, event_id: str) -> dict[str, str]:
        """Returns the key of the row of a pending event of such a document."""
        return {"PartitionKey": self.partition, "RowKey": f"{_PENDING}{self.prefix}{event_id}"}

    def pending(self) -> str:
        """Returns the condition for the pending events of such documents."""
        return between(self.partition, f"{_PENDING}{self.prefix}")


class TableDocuments[T]:
    """See the module."""

    def __init__(self, service: TableServiceClient, ids: Ids, stored: DocumentType[T], name: str = "roles") -> None:
        self._table = Table(service, name)
        self._ids = ids
        self._kept = stored
        self._restored: dict[str, tuple[str, T]] = {}
        """What ``get`` has made of rows, with their versions: a role is read twice for each issue."""

    async def get(self, name: str) -> T | None:
        """Makes one point read."""
        if (row := await self._read(name)) is None:
            return None
        version = etag_of(row)
        if (known := self._restored.get(name)) is not None and version and known[0] == version:
            return known[1]
        if len(self._restored) >= _REMEMBERED:
            self._restored.clear()
        document = restored(self._kept, row)
        self._restored[name] = version, document
        return document

    async def list(self) -> tuple[T, ...]:
        """Makes one range read."""
        return tuple([restored(self._kept, row) async for row in self._table.scan(self._kept.after(""))])

    async def page(self, limit: int, after: str = "") -> Page[T]:
        """Makes one range read. It makes more if storage ends a page early."""
        found: list[Row] = []
        token: Token | None = None
        while len(found) < limit:
            rows, token = await self._table.page(self._kept.after(after), select=None, limit=limit - len(found), token=token)
            found += rows
            if token is None:
                break
        documents = tuple(restored(self._kept, row) for row in found)
        return Page(documents, self._kept.name_of(documents[-1]) if token is not None else None)

    async def put(self, document: T, *, expected: Expect, event: AuditEvent | None = None, judged_at: str | None = None) -> T:
        """Makes one write, or one transaction if other rows go along. It is conditional unless ``expected`` is ``ANY``."""
        stored, _ = await self._put(document, expected, event, judged_at)
        return stored

    async def _put(
        self, document: T, expected: Expect, event: AuditEvent | None, judged_at: str | None
    ) -> tuple[T, Sequence[str]]:
        """Returns as well the versions of what was written beside; none if the answer was lost."""
        write_id, name = self._ids.guid(), self._kept.name_of(document)
        row: dict[str, Any] = {
            **self._kept.key(name),
            **self._kept.form.stamp,
            "Write": write_id,
            **chunked("Document", json.dumps(self._kept.store(document))),
        }
        try:
            version, *beside = await self._table.write([_put(row, expected), *self._beside(judged_at, event)])
        except (LostRace, Uncertain) as error:
            # The stored row may be this very one: the answer to the first write was lost.
            stored = await self._read(name)
            if stored is not None and stored.get("Write") == write_id:
                return self._kept.with_version(document, etag_of(stored)), ()
            if isinstance(error, LostRace):
                raise PreconditionFailed from error
            raise
        return self._kept.with_version(document, version), beside

    async def delete(
        self, name: str, *, expected: Expect, event: AuditEvent | None = None, judged_at: str | None = None
    ) -> Deleted | None:
        """Makes a read and a conditional delete.

        If the answer was lost, and a reconciliation has told the event before this looks for it, it counts as another's.
        """
        row = await self._read(name)
        if row is None:
            return None
        if expected not in {ANY, Version(etag_of(row))}:
            raise PreconditionFailed
        try:
            _, *others = await self._table.write([delete(self._kept.key(name), etag_of(row)), *self._beside(judged_at, event)])
        except (LostRace, Uncertain) as error:
            # The answer to the first try was lost, or another worker was faster: the row of the event tells them apart.
            if event is not None and await self._table.read(*self._kept.pending_key(event.id).values()) is not None:
                return Deleted()
            if await self._read(name) is None:
                return Deleted() if event is None else None
            if isinstance(error, LostRace):
                raise PreconditionFailed from error
            raise
        return Deleted(others[0] if self._kept.has_whole else "")

    async def pending_events(self) -> tuple[AuditEvent, ...]:
        """Makes one range read. A row that this version cannot read stays for the version that can."""
        found = [readable(_pending_event, row) async for row in self._table.scan(self._kept.pending())]
        return tuple(event for event in found if event is not None)

    async def forget_event(self, event: AuditEvent) -> None:
        """Makes one write."""
        with suppress(LostRace):
            await self._table.write([delete(self._kept.pending_key(event.id))])

    def _beside(self, judged_at: str | None, event: AuditEvent | None) -> Iterator[Operation]:
        yield from self._kept.beside(judged_at)
        if event is not None:
            text = json.dumps(audit_row(event, event.id))
            yield create(self._kept.pending_key(event.id) | PENDING_EVENT.stamp | chunked("Event", text))

    async def _read(self, name: str) -> Row | None:
        return await self._table.read(*self._kept.key(name).values())


def restored[T](of: DocumentType[T], row: Row) -> T:
    """Returns the document in a row. Raises nothing: a damaged row must not keep other documents from being read."""
    try:
        stored = json.loads(joined("Document", row))
    except (ValueError, RecursionError):
        stored = None
    return of.restore(str(row["RowKey"]).removeprefix(of.prefix), stored, etag_of(row), form_of(row))


def _pending_event(row: Row) -> AuditEvent:
    with PENDING_EVENT.reading(row):
        stored = json.loads(joined("Event", row))
        return replace(readable_event(stored), id=stored["RowKey"].rpartition("_")[2])


def _put(row: dict[str, Any], expected: Expect) -> Operation:
    match expected:
        case Version(tag):
            return update(row, tag)
        case Presence.ABSENT:
            return create(row)
        case Presence.ANY:
            return put(row)
