"""A new type of document takes a ``DocumentType`` and one line: kept, read, replaced and forgotten beside the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from shared.cloud.storage.document_table import DocumentType, TableDocuments
from shared.cloud.storage.role_table import TableRoles
from shared.cloud.storage.tables import connect
from shared.core.errors import PreconditionFailed
from shared.core.forms import StoredType
from shared.core.ports.documents import ABSENT, ANY, Documents, Version
from tests.fakes.clock import FixedIds
from tests.fakes.world import role
from tests.support.kinds import SCHEMAS


@dataclass(frozen=True, slots=True)
class Note:
    """A toy document."""

    name: str
    text: str
    version: str = ""


NOTES = DocumentType[Note](
    partition="note",
    form=StoredType("note"),
    name_of=lambda note: note.name,
    store=lambda note: {"text": note.text},
    restore=lambda name, stored, version, _form: Note(name, (stored or {}).get("text", "?"), version),
    with_version=lambda note, version: replace(note, version=version),
)


async def test_documents_of_a_new_type_are_kept_beside_the_others(storage_connection: str) -> None:
    """By their names, each under the version it was given, and never among those of another type."""
    async with connect(storage_connection) as service:
        notes: Documents[Note] = TableDocuments(service, FixedIds(), NOTES)
        roles = TableRoles(service, FixedIds(), SCHEMAS)
        await roles.put(role(), expected=ABSENT)
        first = await notes.put(Note("web", "x" * 40_000), expected=ABSENT)
        second = await notes.put(Note("api", "b"), expected=ANY)
        assert (first, (second, first)) == (await notes.get("web"), await notes.list())
        assert ["web"] == [each.name for each in await roles.list()]
        third = await notes.put(Note("web", "c"), expected=Version(first.version))
        for stale in (ABSENT, Version(first.version)):
            with pytest.raises(PreconditionFailed):
                await notes.put(Note("web", "d"), expected=stale)
            with pytest.raises(PreconditionFailed):
                await notes.delete("web", expected=stale)
        assert await notes.delete("web", expected=Version(third.version))
        assert not await notes.delete("web", expected=ANY)
        assert [second] == list(await notes.list())


async def test_each_read_finds_what_another_worker_has_written(storage_connection: str) -> None:
    """Also where the document was deleted and made anew: what is known of a row holds for its version alone."""
    async with connect(storage_connection) as service:
        own: Documents[Note] = TableDocuments(service, FixedIds(), NOTES)
        others: Documents[Note] = TableDocuments(service, FixedIds(), NOTES)
        for text in ("a", "b", "a"):
            written = await others.put(Note("web", text), expected=ANY)
            assert [written] * 2 == [await own.get("web") for _ in range(2)]
        await others.delete("web", expected=ANY)
        assert await own.get("web") is None
        assert await others.put(Note("web", "a"), expected=ABSENT) == await own.get("web")
