"""Many auth roles and policies are packed for the next worker: a copy of the present version is read in their place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from shared.cloud.storage import packed_access
from shared.cloud.storage.access_table import TableAccess, TablePolicies
from shared.cloud.storage.packed_access import MOST_ROWS, Packed, packed_rows, packed_version, unpacked
from shared.cloud.storage.table_operations import Row, delete, put
from shared.cloud.storage.tables import Table, connect
from shared.core.errors import Unavailable
from shared.core.ports.access import StoredAccess
from shared.core.ports.documents import ANY
from tests.contract.test_document_stores import policy
from tests.fakes.clock import FixedIds

_MANY = 3


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account with as many policies as are packed."""

    table: Table
    policies: TablePolicies
    access: TableAccess

    async def rows(self, prefix: str = "packed_") -> list[Row]:
        """The rows of the copy."""
        return [row async for row in self.table.scan("PartitionKey eq 'access'") if str(row["RowKey"]).startswith(prefix)]

    async def poison(self) -> None:
        """Makes the documents tell themselves from what is packed, and leaves the version."""
        for row in await self.rows("policy_"):
            await self.table.write([put({"PartitionKey": "access", "RowKey": row["RowKey"], "Document0": '{"rules": "new"}'})])

    async def is_from_the_copy(self) -> bool:
        """Whether what is loaded now comes from there, after ``poison``."""
        loaded = await self.access.load()
        assert len(loaded.policies) == _MANY
        return all("new" not in each.text for each in loaded.policies.values())


@pytest.fixture
async def account(storage_connection: str) -> AsyncIterator[Account]:
    """See ``Account``."""
    async with connect(storage_connection) as service:
        made = Account(Table(service, "roles"), TablePolicies(service, FixedIds()), TableAccess(service, packed_from=_MANY))
        for number in range(_MANY):
            await made.policies.put(policy(f"p{number}", number), expected=ANY)
        yield made


async def test_a_copy_of_this_version_is_what_was_loaded(account: Account) -> None:
    """With names, texts and ETags. Whoever reads it makes no range read of documents."""
    first = await account.access.load()
    await account.poison()
    assert await account.is_from_the_copy()
    assert first == await account.access.load()


async def test_a_copy_of_another_version_is_left_alone(account: Account) -> None:
    """After any change, also one by ``touch``, the documents are read, and packed anew."""
    await account.access.load()
    await account.poison()
    await account.access.touch()
    assert not await account.is_from_the_copy()
    assert await account.access.version() == packed_version(await account.rows())
    await account.policies.put(policy("p0", 7), expected=ANY)
    assert "roles/7/" in (await account.access.load()).policies["p0"].text


async def test_few_documents_are_not_packed(account: Account) -> None:
    """One page is as quick. A copy that is there already stays, and is never true again."""
    await account.policies.delete("p0", expected=ANY)
    assert 2 == len((await account.access.load()).policies)
    assert [] == await account.rows()


@pytest.mark.parametrize(
    "change",
    [
        {"Packed0": "no base64"},
        {"Packed0": "bm8gemxpYg=="},
        {"Packed0": "eJyLjgUAARUAuQ=="},
        {"Form": 2},
        {"Rows": 2},
        {"Rows": "many"},
        {"Version": ""},
    ],
    ids=str,
)
async def test_a_copy_that_cannot_be_read_stands_in_nobodys_way(account: Account, change: Mapping[str, Any]) -> None:
    """The documents are read instead, and packed anew."""
    await account.access.load()
    (row,) = await account.rows()
    await account.table.write([put({**row, **change})])
    await account.poison()
    assert not await account.is_from_the_copy()
    assert dict(unpacked(await account.rows())).keys() == {f"policy_p{number}" for number in range(_MANY)}


async def test_a_copy_of_several_rows_is_read_whole_or_not_at_all(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shrinks as well: the rows that it no longer needs go with the write."""
    monkeypatch.setattr(packed_access, "_ROOM", 60)
    first = await account.access.load()
    rows = await account.rows()
    assert 2 < len(rows) <= MOST_ROWS
    assert first == await account.access.load()
    await account.table.write([delete({"PartitionKey": "access", "RowKey": rows[1]["RowKey"]})])
    await account.poison()
    assert not await account.is_from_the_copy()
    monkeypatch.undo()
    await account.access.touch()
    await account.access.load()
    assert ["packed_0"] == [row["RowKey"] for row in await account.rows()]
    await account.poison()
    assert len((await account.access.load()).policies) == _MANY


async def test_a_copy_that_cannot_be_written_keeps_nobody_from_reading(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next worker tries again."""

    async def refuse(_self: Table, _operations: Any) -> list[str]:
        raise Unavailable("storage fails")

    with monkeypatch.context() as patched:
        patched.setattr(Table, "write", refuse)
        loaded = await account.access.load()
    assert (_MANY, []) == (len(loaded.policies), await account.rows())
    assert "could not be packed" in caplog.text
    await account.access.load()
    assert await account.rows()


async def test_nothing_in_a_packed_row_of_a_later_form_is_believed(account: Account) -> None:
    """The copy keeps the form of each row: a version that knows it may have packed it."""
    row = {"PartitionKey": "access", "RowKey": "policy_p0", "Form": 9, "Document0": '{"rules": []}'}
    await account.table.write([put(row)])
    loaded = [await account.access.load(), await account.access.load()]
    assert ["", ""] == [each.policies["p0"].text for each in loaded]
    assert Packed('{"rules": []}', loaded[0].policies["p0"].version, 9) == dict(unpacked(await account.rows()))["policy_p0"]


def test_what_has_no_room_is_not_packed() -> None:
    """A transaction has a largest size."""
    chance = Random(1)
    texts = {f"policy_{number}": Packed(chance.randbytes(50_000).hex(), "", 1) for number in range(42)}
    rows = packed_rows("access", "v", texts)
    assert len(rows) == MOST_ROWS
    assert dict(unpacked(rows)) == texts
    assert packed_rows("access", "v", texts | {"policy_more": Packed(chance.randbytes(200_000).hex(), "", 1)}) == []


async def test_nothing_was_ever_written(storage_connection: str) -> None:
    """There is no copy either."""
    async with connect(storage_connection) as service:
        assert StoredAccess({}, {}, "") == await TableAccess(service, packed_from=0).load()
