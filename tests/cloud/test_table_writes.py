"""Writes past the client library: they store what it stores, and leave to it whatever was not plainly done."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.data.tables.aio import TableServiceClient

from shared.cloud.azure_connections import InTime
from shared.cloud.storage.table_operations import Operation, create, delete, put, update
from shared.cloud.storage.table_rest import Rest
from shared.cloud.storage.tables import Table, connect, etag_of
from shared.core.errors import LostRace, Unavailable, Unreachable
from tests.cloud.test_repeating import Answer
from tests.cloud.test_table_rest import Tokens, Wire
from tests.local.parity.records import load


class Colour(StrEnum):
    """A text of a class of its own."""

    RED = "red"


def row(key: str, **properties: Any) -> dict[str, Any]:
    """Of the one partition."""
    return {"PartitionKey": "p", "RowKey": key, **properties}


AWKWARD = row(
    "it's a row~1 %27é",
    Text="it's é \U0001f600 %27 \"\\",
    Lines="a\r\n--changeset_1--\r\nHTTP/1.1 412 \r\nETag: x\r\n\r\nb\x01\x7f\t ",
    Number=-7,
    Large=2**31 - 1,
    Flag=True,
    Empty="",
    Colour=Colour.RED,
    Missing=None,
)


@pytest.fixture
def wire() -> Wire:
    """Between the client and storage."""
    return Wire()


def both(connection: str, wire: Wire) -> tuple[TableServiceClient, Table, TableServiceClient, Table]:
    """A table over the wire, and the same through the library alone."""
    own, library = connect(connection, transport=wire), TableServiceClient.from_connection_string(connection)
    return own, Table(own, "rows"), library, Table(library, "rows")


async def stored(service: TableServiceClient) -> dict[str, dict[str, Any]]:
    """All rows, by key."""
    listed = service.get_table_client("rows").list_entities()
    return {each["RowKey"]: dict(each) async for each in listed}


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "in a transaction"])
async def test_it_stores_what_the_library_stores(storage_connection: str, wire: Wire, count: int) -> None:
    """Every type that rows here have, under every key; the version that it gives is the one that is stored."""
    own, table, library, theirs = both(storage_connection, wire)
    async with own, library:
        for act in (create, put):
            first = [act(AWKWARD), *(act(row(f"own {number}")) for number in range(1, count))]
            second = [act(AWKWARD | {"RowKey": "theirs"}), *(act(row(f"theirs {number}")) for number in range(1, count))]
            versions = await table.write(first)
            assert [f"W/{each.removeprefix('W/')}" for each in versions] == versions
            await theirs.write(second)
            found = await stored(library)
            written = found[AWKWARD["RowKey"]]
            assert {name: value for name, value in AWKWARD.items() if value is not None} == written
            assert found["theirs"] == written | {"RowKey": "theirs"}
            assert 2 * count == len(found)
            again = await table.read("p", AWKWARD["RowKey"])
            assert again is not None
            assert etag_of(again) == versions[0]
            await table.write([delete(row(each)) for each in found])
            assert {} == await stored(library)


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a transaction"])
async def test_a_row_replaces_a_version_of_it(storage_connection: str, wire: Wire, count: int) -> None:
    """Its former properties go. Each write gives the version that the next has to name."""
    own, table, library, _ = both(storage_connection, wire)
    async with own, library:
        rest = [create(row("other"))] * (count - 1)
        (version, *_) = await table.write([create(row("it", Former=1)), *rest])
        rest = [put(row("other"))] * (count - 1)
        (following, *_) = await table.write([update(row("it", Latter=2), version), *rest])
        assert row("it", Latter=2) == (await stored(library))["it"]
        with pytest.raises(LostRace):
            await table.write([update(row("it", Late=3), version), *rest])
        with pytest.raises(LostRace):
            await table.write([delete(row("it"), version), *rest])
        assert row("it", Latter=2) == (await stored(library))["it"]
        await table.write([delete(row("it"), following), *rest])
        assert ["other"][: count - 1] == [*await stored(library)]


LOST: dict[str, Callable[[str], Operation]] = {
    "a row that is there": lambda _: create(row("it", New=1)),
    "no version, and it is there": lambda _: update(row("it", New=1), ""),
    "another version": lambda _: update(row("it", New=1), "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\""),
    "a row that is gone": lambda version: update(row("gone", New=1), version),
    "a deletion of another version": lambda _: delete(row("it"), "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\""),
    "a deletion of what is gone": lambda _: delete(row("gone")),
}


@pytest.mark.parametrize("at", [None, 0, 1, 2])
@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
async def test_of_a_lost_race_nothing_is_written(
    storage_connection: str, wire: Wire, lost: Callable[[str], Operation], at: int | None
) -> None:
    """Wherever in the transaction it stands, or alone."""
    own, table, library, _ = both(storage_connection, wire)
    async with own, library:
        (version,) = await table.write([create(row("it"))])
        before = await stored(library)
        others = [put(row("first")), create(row("second"))] if at is not None else []
        with pytest.raises(LostRace):
            await table.write([*others[:at], lost(version), *others[at or 0 :]])
        assert before == await stored(library)


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a transaction"])
async def test_a_row_that_has_changed_takes_one_request(storage_connection: str, wire: Wire, count: int) -> None:
    """Storage's word is enough: callers that want the same row meet it often."""
    own, table, library, _ = both(storage_connection, wire)
    async with own, library:
        (version, *_) = await table.write([create(row("it"))])
        await table.write([update(row("it", New=1), version)])
        wire.sent.clear()
        with pytest.raises(LostRace):
            await table.write([update(row("it", Late=2), version), *(put(row(f"{number}")) for number in range(1, count))])
    assert [None] == wire.agents


async def test_a_table_that_is_missing_is_made(storage_connection: str, wire: Wire) -> None:
    """By its first write, alone or not."""
    own, _, library, _ = both(storage_connection, wire)
    async with own, library:
        for name, count in (("alone", 1), ("several", 2)):
            await Table(own, name, born=[row("born")]).write([create(row(f"{number}")) for number in range(count)])
            listed = library.get_table_client(name).list_entities()
            assert [*("0", "1")[:count], "born"] == [each["RowKey"] async for each in listed]


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a transaction"])
async def test_a_plain_success_takes_one_request(storage_connection: str, wire: Wire, count: int) -> None:
    """Past the library: whoever asks does not tell its name."""
    own, table, library, _ = both(storage_connection, wire)
    async with own, library:
        await table.write([put(row("made"))])
        wire.sent.clear()
        versions = await table.write([put(row(f"{number}")) for number in range(count)])
        await table.write([update(row("0"), versions[0]), *(put(row(f"{number}")) for number in range(1, count))])
        await table.write([delete(row(f"{number}")) for number in range(count)])
        await table.write([create(row(f"{number}")) for number in range(count)])
    assert [None] * 4 == wire.agents


@pytest.mark.parametrize("fault", [200, 400, 401, 403, 429, 500, 503], ids=str)
@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a transaction"])
async def test_what_was_not_plainly_done_is_asked_again_through_the_library(
    storage_connection: str, wire: Wire, fault: int, count: int
) -> None:
    """Which writes it, or says what is wrong; that it was done nevertheless shows, where a version was named."""
    own, table, library, _ = both(storage_connection, wire)
    async with own, library:
        await table.write([put(row("made"))])
        wire.sent.clear()
        wire.failing = [fault]
        await table.write([put(row(f"{number}")) for number in range(count)])
        assert {"made", *("0", "1")[:count]} == {*await stored(library)}
        wire.failing = [fault]
        with pytest.raises(LostRace):
            await table.write([create(row("new")), *(create(row(f"new {number}")) for number in range(1, count))])
    assert [None, True] * 2 == [each and True for each in wire.agents]


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a transaction"])
async def test_a_lost_answer_is_not_asked_for_again(storage_connection: str, wire: Wire, count: int) -> None:
    """It may have been done: who wrote it looks. A connection that took nothing is another matter."""
    own, table, library, _ = both(storage_connection, wire)
    async with own, library:
        await table.write([put(row("made"))])
        wire.sent.clear()
        wire.failing = [ServiceResponseError("no answer")]
        with pytest.raises(Unreachable):
            await table.write([create(row(f"{number}")) for number in range(count)])
        assert [None] == wire.agents
        wire.failing = [ServiceRequestError("dead")] * 2
        await table.write([create(row(f"{number}")) for number in range(count)])
    assert [None] * 4 == wire.agents


class Scripted(InTime):
    """Storage that answers every transaction alike."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.status, self.body, self.asked = status, body, list[Any]()

    async def send(self, request: Any, **_: Any) -> Any:
        """Without a wire."""
        self.asked.append(request)
        return Answer(request, self.status, self.body, {"Content-Type": "multipart/mixed; boundary=b"})

    async def written(self, operations: Sequence[Operation]) -> list[str] | None:
        """What a transaction comes to."""
        identity: Any = Tokens()
        rest = Rest.of(connect(endpoint="https://a.table.example", credential=identity, transport=self), "t")
        assert rest is not None
        return await rest.write(operations)


PART = "--changesetresponse_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {}\r\n{}\r\n\r\n"
TWO = [put(row("1")), delete(row("2"))]
GARBLED = {
    "nothing": "",
    "no multipart": "{}",
    "one of two": PART.format("204 No Content", 'ETag: W/"1"\r\n'),
    "three of two": PART.format("204 No Content", "") * 3,
    "no version of a row that is there now": PART.format("204 No Content", "") * 2,
    "half of an answer": (PART.format("204 No Content", "") * 2)[:-100],
}
CHANGED = (
    '{"odata.error":{"code":"UpdateConditionNotSatisfied","message":{"value":"0:The update condition was not satisfied."}}}'
)
NOT_DONE = {
    "a refused one, and storage does not say why": PART.format("412 Precondition Failed", ""),
    "one that has changed, among others": PART.format("204 No Content", "") + PART.format("412 It Has Changed", "") + CHANGED,
    "a refused one among them": PART.format("204 No Content", "") + PART.format("404 Not Found", ""),
    "one that failed": PART.format("204 No Content", "") + PART.format("500 Internal Server Error", ""),
}


@pytest.mark.parametrize("body", NOT_DONE.values(), ids=NOT_DONE)
async def test_of_a_transaction_of_which_a_part_was_refused_nothing_is_done(body: str) -> None:
    """Whatever is said of the others. The library names what is wrong."""
    assert await Scripted(202, body.encode()).written(TWO) is None


async def test_a_row_that_has_changed_is_a_lost_race() -> None:
    """If storage itself says so, of a row alone or of a transaction."""
    with pytest.raises(LostRace):
        await Scripted(412, CHANGED.encode()).written(TWO[:1])
    with pytest.raises(LostRace):
        await Scripted(202, (PART.format("412 Precondition Failed", "") + CHANGED).encode()).written(TWO)


async def test_a_proxys_412_says_nothing_of_a_row() -> None:
    """The library asks again."""
    assert await Scripted(412, b"<html>").written(TWO[:1]) is None


@pytest.mark.parametrize("body", GARBLED.values(), ids=GARBLED)
async def test_a_success_that_cannot_be_read_may_have_been_one(body: str) -> None:
    """Who wrote it looks for its own write."""
    with pytest.raises(Unavailable):
        await Scripted(202, body.encode()).written(TWO)


async def test_a_row_alone_has_a_version() -> None:
    """Else the next write could not name it, and would overwrite whatever is there."""
    with pytest.raises(Unavailable):
        await Scripted(204, b"").written(TWO[:1])
    assert [""] == await Scripted(204, b"").written(TWO[1:])


async def test_an_answer_that_says_so_gives_the_versions() -> None:
    """A row that is gone has none; how the header is spelled is storage's."""
    body = PART.format("204 No Content", "X: y\r\netag:W/\"datetime'1'\"\r\n") + PART.format("204 No Content", "")
    assert ["W/\"datetime'1'\"", ""] == await Scripted(202, body.encode()).written(TWO)
    assert await Scripted(200, body.encode()).written(TWO) is None


async def test_an_identity_writes_with_its_token() -> None:
    """As it reads."""
    service = Scripted(204, b"")
    await service.written([delete(row("1"))])
    assert "Bearer token for https://storage.azure.com/.default" == service.asked[0].headers["Authorization"]


def transactions() -> Iterator[tuple[str, str, int]]:
    """Recorded ones of Azure's own storage: how they were asked for (the beginning), what was answered, and its status."""
    for each in load("table_storage"):
        if each.path == "/$batch" and "cosmos" not in each.host:
            request, answer = (_plain(text) for text in (each.request_body, each.response_body))
            yield request, answer, each.status


def _plain(text: Any) -> str:
    return str(text) if str(text).startswith(("--", "<")) else b64decode(text).decode()


async def test_it_reads_recorded_answers() -> None:
    """A version of each row, or that it was not done."""
    seen = set[int]()
    for _, answer, status in transactions():
        count = answer.count("HTTP/1.1 ") or 1
        operations = [create(row(f"{number}")) for number in range(count)]
        done = await Scripted(status, answer.encode()).written(operations)
        if status == 202:
            assert re.findall(r"ETag: (\S+)", answer) == done
            assert count == len(done)
        else:
            assert done is None
        seen.add(status)
    assert {202, 404} == seen


async def test_it_asks_as_a_recorded_client_has_asked() -> None:
    """The same headers about the batch, the change set and each of its parts; Azure did what that client said."""
    (asked, *_) = [each for each, _, status in transactions() if status == 202 and "Content-ID" not in each]
    service = Scripted(202, b"")
    with pytest.raises(Unavailable):
        await service.written([create(row("1")), create(row("2"))])
    own = service.asked[0].content.decode()
    assert _names(asked)[:4] == _names(own)[:4]
    assert "multipart/mixed" in service.asked[0].headers["Content-Type"]


def _names(text: str) -> list[set[str]]:
    """The names of each block of headers in turn, in lower case."""
    blocks = [block for block in re.split(r"\r?\n\r?\n", text) if not block.startswith("{")]
    return [
        {line.partition(":")[0].lower() for line in block.splitlines() if re.match(r"[A-Za-z-]+:", line)} for block in blocks
    ]
