"""Azure Table Storage. Failures become the broker's errors. A table is made when it is first missed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
)
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.data.tables import TableErrorCode, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.cloud.connections import azure_transport
from shared.cloud.repeating import STORAGE, Repeating
from shared.cloud.storage.table_operations import ANY, Operation, Row, create
from shared.cloud.storage.table_rest import NOT_THERE, Rest, Tables
from shared.core.errors import AlreadyExists, LostRace, Refused, Throttled, Unavailable, Unreachable, Upstream

type Token = Mapping[str, str]
"""The place at which a listing goes on."""

CHUNK: Final = 30_000
"""Characters a property. Table Storage takes 64 KiB of UTF-16 a string.
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model"""
_PAGE = 1000
_OPTIONS: Final[dict[str, Any]] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
    "retry_backoff_max": 2,
}
"""Seconds and counts. A repeated write is recognised by its write id."""
_DEAD_CONNECTIONS = 2
"""A write is sent again so many times if the kept connection that it took was dead. The SDK repeats no POST, and every insert
and every transaction is a POST."""
_READ_SECONDS = 20.0
"""Storage answers in milliseconds or is in trouble."""


def connect(
    connection_string: str = "",
    *,
    endpoint: str = "",
    credential: AsyncTokenCredential | None = None,
    transport: AsyncHttpTransport[Any, Any] | None = None,
) -> TableServiceClient:
    """Returns a client for a connection string (the emulator's), or for an endpoint and an identity.

    The client connects at its first call.
    """
    transport = transport or azure_transport(read_seconds=_READ_SECONDS)
    if connection_string:
        return Tables.from_connection_string(connection_string, transport=transport, **_OPTIONS)
    if credential is not None:
        transport = Repeating(credential, STORAGE).over(transport)
    return Tables(endpoint, credential=credential, transport=transport, **_OPTIONS)


class Table:
    """One table. Every method raises ``Upstream`` if storage fails."""

    def __init__(self, service: TableServiceClient, name: str, *, born: Sequence[Row] = ()) -> None:
        """``born``: the first rows of the table, if it is made here."""
        self._client: TableClient = service.get_table_client(name)
        self._name = name
        self._born = born
        self._rest = Rest.of(service, name)

    def now(self, own: datetime) -> datetime:
        """Returns storage's instant, given the worker's own. While storage has not told the time, returns the worker's own."""
        return self._rest.dates.now(own) if self._rest is not None else own

    async def read(self, partition: str, row: str) -> Row | None:
        """Returns one row with its metadata (``etag_of``), or ``None`` if the row or the table is not there."""
        if self._rest is not None:
            answered, found = await self._rest.row(partition, row)
            if answered:
                return found
        try:
            return await self._client.get_entity(partition, row)
        except AzureError as error:
            if _is_not_there(error):
                return None
            raise translated(error) from error

    async def write(self, operations: Sequence[Operation]) -> list[str]:
        """Makes one transaction over one partition, and the table if it is missing. Returns the rows' new ETags.

        Raises ``LostRace`` if a condition fails. Then nothing is written.
        """
        try:
            try:
                return await self._sent(operations)
            except HttpResponseError as error:
                if _code(error) != TableErrorCode.TABLE_NOT_FOUND:
                    raise
            await self._create()
            return await self._sent(operations)
        except AzureError as error:
            raise translated(error) from error

    async def keep(self, row: Row) -> None:
        """Adds the row. If a row is there already, it is this very row, and the answer to its first write was lost.

        Raises ``Unavailable`` if the row is refused and is not there.
        """
        try:
            await self.write([create(row)])
        except LostRace as lost:
            if await self.read(row["PartitionKey"], row["RowKey"]) is None:
                raise Unavailable("table storage: a row that was not kept") from lost

    async def _sent(self, operations: Sequence[Operation]) -> list[str]:
        """Sends the transaction, and sends it again if the kept connection that it took was dead."""
        dead = 0
        while True:
            try:
                if self._rest is not None and (done := await self._rest.write(operations)) is not None:
                    return done
                parts = await self._client.submit_transaction([_of_library(each) for each in operations])
                return [str(part.get("etag", "")) for part in parts]
            except ServiceRequestTimeoutError:
                raise
            except ServiceRequestError:
                if dead == _DEAD_CONNECTIONS:
                    raise
                dead += 1

    async def scan(self, condition: str, *, select: list[str] | None = None, limit: int | None = None) -> AsyncIterator[Row]:
        """Yields the rows that match an OData condition, in the order of their keys. Reads at most ``limit`` a request."""
        async for rows, _ in self.pages(condition, select=select, limit=limit or _PAGE):
            for row in rows:
                yield row

    async def page(
        self, condition: str, *, select: list[str] | None, limit: int, token: Token | None = None
    ) -> tuple[list[Row], Token | None]:
        """Returns at most ``limit`` rows in the order of their keys, and the token of the next page, ``None`` at the end.

        A page without rows need not be the last: storage reads rows for five seconds a page, whatever it finds.
        https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination
        """
        limit = min(limit, _PAGE)
        if self._rest is not None:
            answered, rows, following = await self._rest.page(condition, select, limit, token)
            if answered:
                return list(rows), following
        found = self._client.query_entities(condition, select=select, results_per_page=limit)
        pages = found.by_page(continuation_token=dict(token) if token else None)  # type: ignore[arg-type]  # it is a dict here
        try:
            async for page in pages:
                return [row async for row in page], pages.continuation_token or None  # type: ignore[attr-defined]  # it has one
        except AzureError as error:
            if not _is_not_there(error):
                raise translated(error) from error
        return [], None

    async def pages(
        self, condition: str, *, select: list[str] | None = None, limit: int, token: Token | None = None
    ) -> AsyncIterator[tuple[list[Row], Token | None]]:
        """Yields the pages, each with the token of the next."""
        while True:
            rows, token = await self.page(condition, select=select, limit=limit, token=token)
            yield rows, token
            if token is None:
                return

    async def _create(self) -> None:
        try:
            await self._client.create_table()
        except ResourceExistsError:
            return
        for row in self._born:
            await self._client.upsert_entity(dict(row))


def translated(error: AzureError, service: str = "table storage") -> Upstream | LostRace:
    """Returns storage's failure as the broker's. Status and code decide, never the text."""
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        return Unreachable(f"{service}: {error}")
    status, code = error.status_code, _code(error)
    if status == 412 or code in _RACES:  # noqa: PLR2004 - the HTTP status of a failed condition
        return LostRace(f"{service}: {code}")
    kinds: dict[int, type[Upstream]] = {404: Unavailable, 409: AlreadyExists, 429: Throttled, 503: Throttled}
    # A failure whose status is no refusal's is an answer that could not be read.
    kind = kinds.get(status, Refused if status in range(400, 500) else Unavailable)
    return kind(f"{service}: {_said(error)}", status=status, azure_code=code)


_RACES = {
    TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED.value,
    TableErrorCode.ENTITY_ALREADY_EXISTS.value,
    TableErrorCode.RESOURCE_NOT_FOUND.value,
    TableErrorCode.ENTITY_NOT_FOUND.value,
}


def _is_not_there(error: AzureError) -> bool:
    """Returns whether storage itself says that there is no such row, or no such table."""
    return isinstance(error, ResourceNotFoundError) and _code(error) in NOT_THERE


def _of_library(operation: Operation) -> tuple[str, Row, Mapping[str, Any]]:
    # The library takes ``str`` itself, and none of its subclasses.
    row = {name: str(value) if isinstance(value, str) else value for name, value in operation.row.items()}
    verb = {"POST": "create", "DELETE": "delete"}.get(operation.method) or ("update" if operation.etag else "upsert")
    options: dict[str, Any] = {"mode": UpdateMode.REPLACE} if operation.method == "PUT" else {}
    if operation.etag not in {"", ANY}:
        options |= {"etag": operation.etag, "match_condition": MatchConditions.IfNotModified}
    return verb, row, options


def _code(error: HttpResponseError) -> str:
    """Returns the code in the SDK's attribute, which transactions and some refusals have, or in the header of all others."""
    headers = getattr(error.response, "headers", {})
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code") or ""
    return str(getattr(code, "value", code))


def _said(error: HttpResponseError) -> str:
    return "the identity may not use it" if isinstance(error, ClientAuthenticationError) else str(error.reason)


def etag_of(row: Row) -> str:
    """Returns the version of a row that was read."""
    return str(getattr(row, "metadata")["etag"])  # noqa: B009 - the SDK's entity is a dict with an attribute


def between(partition: str, prefix: str, *, after: str = "") -> str:
    """Returns the condition for the rows of a partition whose keys begin with ``prefix`` and come after ``after``."""
    start = f"RowKey gt '{after}'" if after else f"RowKey ge '{prefix}'"
    return f"PartitionKey eq '{partition}' and {start} and RowKey lt '{past(prefix)}'"


def past(prefix: str) -> str:
    """Returns the least key that is greater than every key with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def quoted(text: str) -> str:
    """Returns a text as an OData literal."""
    return "'" + text.replace("'", "''") + "'"


def chunked(name: str, text: str) -> dict[str, str]:
    """Spreads a long text over numbered properties."""
    return {f"{name}{index}": text[at : at + CHUNK] for index, at in enumerate(range(0, len(text), CHUNK))}


def joined(name: str, row: Row) -> str:
    """Returns the text that ``chunked`` has spread."""
    parts: list[str] = []
    while (part := row.get(f"{name}{len(parts)}")) is not None:
        parts.append(str(part))
    return "".join(parts)
