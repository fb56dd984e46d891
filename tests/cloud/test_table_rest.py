"""Reads past the client library: they find what it finds, and leave to it whatever is not plainly answered."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.data.tables.aio import TableServiceClient

from shared.cloud.azure_connections import InTime
from shared.cloud.storage.table_operations import create
from shared.cloud.storage.table_rest import Rest
from shared.cloud.storage.tables import Table, connect, etag_of
from shared.core.errors import Unavailable
from tests.cloud.test_repeating import Answer

ROW: dict[str, Any] = {
    "PartitionKey": "p",
    "RowKey": "it's a row~1",
    "Text": "it's é \U0001f600 %27",
    "Number": 7,
    "Flag": True,
    "Empty": "",
}


class Wire(InTime):
    """Fails the next reads, and remembers who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: list[Any] = []
        self.sent: list[Any] = []

    @property
    def agents(self) -> list[str | None]:
        """Who has asked: the library tells its name."""
        return [each.headers.get("User-Agent") for each in self.sent]

    async def send(self, request: Any, **options: Any) -> Any:
        """With another status, or not at all, while there is one to fail with."""
        self.sent.append(request)
        fault = self.failing.pop(0) if self.failing else None
        if isinstance(fault, Exception):
            raise fault
        answer = await super().send(request, **options)
        if fault is not None:
            answer.status_code = fault
        return answer


@pytest.fixture
def wire() -> Wire:
    """Between the client and storage."""
    return Wire()


async def filled(connection: str, wire: Wire) -> tuple[TableServiceClient, Table]:
    """A table with a few rows."""
    service = connect(connection, transport=wire)
    table = Table(service, "rows")
    await table.write([create(ROW), *(create(ROW | {"RowKey": f"{number:03d}"}) for number in range(20))])
    wire.sent.clear()
    return service, table


async def test_it_finds_what_the_library_finds(storage_connection: str, wire: Wire) -> None:
    """Row by row, property by property, in its version; page by page."""
    service, table = await filled(storage_connection, wire)
    async with service:
        client = service.get_table_client("rows")
        theirs, own = await client.get_entity("p", ROW["RowKey"]), await table.read("p", str(ROW["RowKey"]))
        assert own is not None
        assert (dict(theirs), etag_of(theirs)) == (dict(own), etag_of(own)) == (ROW, etag_of(own))
        listed = [dict(each) async for each in client.query_entities("PartitionKey eq 'p'")]
        assert listed == [dict(each) async for each in table.scan("PartitionKey eq 'p'", limit=6)]
        condition = "PartitionKey eq 'p' and Text eq 'it''s é \U0001f600 %27'"
        assert [{"RowKey": each["RowKey"]} for each in listed] == [
            dict(each) async for each in table.scan(condition, select=["RowKey"])
        ]
        assert (None, []) == (await table.read("p", "none"), [each async for each in table.scan("PartitionKey eq 'q'")])
        nowhere = Table(service, "nowhere")
        assert (None, []) == (await nowhere.read("p", "r"), [each async for each in nowhere.scan("PartitionKey eq 'p'")])


async def test_it_says_to_storage_what_the_library_says(storage_connection: str, wire: Wire) -> None:
    """Its version, the form of the answer, and the date as the protocol spells it."""
    service, table = await filled(storage_connection, wire)
    async with service:
        await table.read("p", "001")
        await service.get_table_client("rows").get_entity("p", "001")
    own, theirs = (each.headers for each in wire.sent)
    for name in ("Accept", "DataServiceVersion", "x-ms-version"):
        assert theirs[name].replace(" ", "") == own[name].replace(" ", "")
    assert own["x-ms-date"].endswith(" GMT")
    assert parsedate_to_datetime(own["x-ms-date"]).tzinfo is not None


async def test_that_nothing_is_there_is_plainly_answered(storage_connection: str, wire: Wire) -> None:
    """Neither a row, nor the table: nobody asks again."""
    service, table = await filled(storage_connection, wire)
    async with service:
        nowhere = Table(service, "nowhere")
        assert [None, None] == [await table.read("p", "none"), await nowhere.read("p", "r")]
        assert ([], None) == await nowhere.page("PartitionKey eq 'p'", select=None, limit=9)
    assert [None, None, None] == wire.agents


async def test_through_the_library_alone_it_finds_the_same(storage_connection: str, wire: Wire) -> None:
    """For a client that does not show its connections."""
    service, _ = await filled(storage_connection, wire)
    async with service, TableServiceClient.from_connection_string(storage_connection) as other:
        table, nowhere = Table(other, "rows"), Table(other, "nowhere")
        found = await table.read("p", "001")
        assert found is not None
        assert ROW | {"RowKey": "001"} == dict(found)
        assert 21 == len([each async for each in table.scan("PartitionKey eq 'p'", limit=8)])
        assert (None, []) == (await nowhere.read("p", "r"), [each async for each in nowhere.scan("PartitionKey eq 'p'")])


@pytest.mark.parametrize("fault", [500, 503, 429, 403, ServiceRequestError("dead")], ids=str)
async def test_what_is_not_plainly_answered_is_asked_again_through_the_library(
    storage_connection: str, wire: Wire, fault: Any
) -> None:
    """Which repeats it; in the middle of a listing as well."""
    service, table = await filled(storage_connection, wire)
    async with service:
        wire.failing = [fault]
        assert await table.read("p", "001") is not None
        wire.failing = [None, fault]
        assert 21 == len([each async for each in table.scan("PartitionKey eq 'p'", limit=8)])
    assert [None, True, None, None, True] == [agent and True for agent in wire.agents[:5]]


async def test_what_the_library_cannot_have_either_is_its_error(storage_connection: str, wire: Wire) -> None:
    """As ever."""
    service, table = await filled(storage_connection, wire)
    async with service:
        for work in (lambda: table.read("p", "001"), lambda: table.page("PartitionKey eq 'p'", select=None, limit=9)):
            wire.failing = [500] * 9
            with pytest.raises(Unavailable):
                await work()


class Told(InTime):
    """Storage behind an identity: answers with the header that it got."""

    async def send(self, request: Any, **_: Any) -> Any:
        """Without a wire."""
        body = json.dumps({"RowKey": request.headers["Authorization"], "odata.etag": "v"}).encode()
        return type("Answer", (), {"status_code": 200, "content": body, "headers": {}})()


class Halves(InTime):
    """Storage whose first page ends where a partition does: it names no row then. Fails the very first request if told so."""

    def __init__(self, *, failing: bool) -> None:
        super().__init__()
        self.failing, self.asked = failing, list[str]()

    async def send(self, request: Any, **_: Any) -> Any:
        """Without a wire."""
        if self.failing:
            self.failing = False
            raise ServiceRequestError("dead")
        self.asked.append(request.url)
        body = json.dumps({"value": [{"PartitionKey": "p", "RowKey": str(len(self.asked)), "odata.etag": "v"}]}).encode()
        headers = {"x-ms-continuation-NextPartitionKey": "q"} if len(self.asked) == 1 else {}
        return Answer(request, 200, body, headers)


@pytest.mark.parametrize("failing", [False, True], ids=["past the library", "through the library"])
async def test_a_listing_goes_on_where_storage_names_a_partition_alone(*, failing: bool) -> None:
    """Whoever has read the first page, and an audit's cursor too."""
    identity: Any = Tokens()
    halves = Halves(failing=failing)
    table = Table(connect(endpoint="https://a.table.example", credential=identity, transport=halves), "t")
    assert ["1", "2"] == [each["RowKey"] async for each in table.scan("PartitionKey ge 'p'")]
    assert "NextPartitionKey=q" in halves.asked[1]
    assert "NextRowKey" not in halves.asked[1]


class Sparse(InTime):
    """Storage that looks at many rows before it finds one: its first pages are empty."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def send(self, request: Any, **_: Any) -> Any:
        """Without a wire."""
        self.asked += 1
        found = [{"PartitionKey": "p", "RowKey": "r", "odata.etag": "v"}] if self.asked == 3 else []
        more = {"x-ms-continuation-NextPartitionKey": "p", "x-ms-continuation-NextRowKey": "a"} if self.asked < 3 else {}
        return Answer(request, 200, json.dumps({"value": found}).encode(), more)


async def test_a_listing_goes_on_behind_empty_pages() -> None:
    """Storage looks at rows for five seconds a page, whatever it finds."""
    identity: Any = Tokens()
    table = Table(connect(endpoint="https://a.table.example", credential=identity, transport=Sparse()), "t")
    assert ["r"] == [each["RowKey"] async for each in table.scan("PartitionKey eq 'p' and State eq 'planned'")]


class Tokens:
    """An identity."""

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        """For storage."""
        return type("Token", (), {"token": f"token for {scopes[0]}"})()

    async def close(self) -> None:
        """Nothing."""


async def test_an_identity_signs_in_with_its_token() -> None:
    """For storage's own scope."""
    identity: Any = Tokens()
    table = Table(connect(endpoint="https://a.table.example", credential=identity, transport=Told()), "t")
    found = await table.read("p", "r")
    assert found is not None
    assert ("Bearer token for https://storage.azure.com/.default", "v") == (found["RowKey"], etag_of(found))


async def test_what_signs_in_otherwise_is_left_to_the_library() -> None:
    """A signature in the address, say."""
    signed = "TableEndpoint=https://a.table.example;SharedAccessSignature=sv=2019-02-02&sig=x"
    async with connect(signed) as service:
        assert Rest.of(service, "t") is None


class Alike(InTime):
    """Storage, or what stands before it, that answers everything alike."""

    def __init__(self, status: int, body: bytes, code: str = "") -> None:
        super().__init__()
        self.answer = (status, body, {"x-ms-error-code": code} if code else {})

    async def send(self, request: Any, **_: Any) -> Any:
        """Without a wire."""
        return Answer(request, *self.answer)

    async def asked(self) -> tuple[object, object]:
        """For a row and for a page."""
        identity: Any = Tokens()
        table = Table(connect(endpoint="https://a.table.example", credential=identity, transport=self), "t")
        return await table.read("p", "r"), await table.page("PartitionKey eq 'p'", select=None, limit=9)


GARBLED = [b"", b"<html>sign in</html>", b"[]", b"7", b'{"odata.etag":"W/', b"\xff\xfe"]


@pytest.mark.parametrize("body", GARBLED)
async def test_an_answer_that_cannot_be_read_is_storage_that_fails(body: bytes) -> None:
    """A proxy's page, or half an answer: nobody takes it for a row, for the absence of one, or for a bug of ours."""
    with pytest.raises(Unavailable):
        await Alike(200, body).asked()


@pytest.mark.parametrize("body", [b"{}", b'{"value": {}}', b'{"value": ["r"]}'])
async def test_a_page_without_rows_to_read_is_storage_that_fails(body: bytes) -> None:
    """Where there are none, it says so."""
    table = Table(connect(endpoint="https://a.table.example", credential=Tokens(), transport=Alike(200, body)), "t")  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await table.page("PartitionKey eq 'p'", select=None, limit=9)


@pytest.mark.parametrize("code", ["ResourceNotFound", "EntityNotFound", "TableNotFound"])
@pytest.mark.parametrize("in_body", [True, False])
async def test_that_nothing_is_there_is_storages_own_word(code: str, *, in_body: bool) -> None:
    """In the body, where Azure has it, or in the header."""
    body = json.dumps({"odata.error": {"code": code}}).encode() if in_body else b"<error/>"
    assert (None, ([], None)) == await Alike(404, body, "" if in_body else code).asked()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"odata.error": {"code": "AccountNotFound"}}'])
async def test_another_404_says_nothing_of_a_row(body: bytes) -> None:
    """A lease would be taken for forgotten, and what it has made for an orphan."""
    with pytest.raises(Unavailable):
        await Alike(404, body).asked()
