"""Table Storage's REST protocol, spoken over a client's own connections, past the other layers of the client library.

Those layers take more than half of the processor time of a read, and a listing makes sixteen reads. They write and read a
transaction as a mail message, which took half of the processor time of an issue. If an answer here is no plain success, the
caller asks again through the library, which repeats, waits, and names the failure. One refusal is taken as it is: a row that
somebody else has changed, because claims from one pool meet it often.
https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Self
from urllib.parse import quote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.data.tables.aio import TableServiceClient

from shared.cloud.connections import PlainAnswer, PlainRequest
from shared.cloud.repeating import STORAGE
from shared.cloud.storage.table_operations import Operation, Row
from shared.cloud.system import SystemClock, SystemIds
from shared.cloud.upstream import parsed
from shared.core.errors import LostRace, Unavailable

type Entity = Mapping[str, Any]
type Authorize = Callable[[str, str], Awaitable[str]]
"""Given a path and a date, returns the header ``Authorization``."""

_CLOCK, _IDS = SystemClock(), SystemIds()
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_OK, _ACCEPTED, _DONE, _NOT_FOUND, _CHANGED = 200, 202, 204, 404, 412
_CONTINUED = {"PartitionKey": "x-ms-continuation-NextPartitionKey", "RowKey": "x-ms-continuation-NextRowKey"}
_OF_STORAGE = ("odata.metadata", "odata.etag", "Timestamp")
"""Names in an answer that are no properties of the row's own."""
NOT_THERE = frozenset({"ResourceNotFound", "EntityNotFound", "TableNotFound"})
"""The codes with which storage itself says that a row or a table is not there. Any other 404 proves nothing.
https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes"""
_RACE = b"UpdateConditionNotSatisfied"
_PROTOCOL = {"Accept": "application/json;odata=minimalmetadata", "DataServiceVersion": "3.0"}
_QUIET = {"Prefer": "return-no-content"}
"""Without it, the answer to an insert would hold the row."""
_PART = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_ETAG = re.compile(rb"(?i)\r\netag: *([^\r\n]+)")


class Found(dict[str, Any]):
    """A row as the client library returns it: its own properties, and the version in ``metadata``."""

    metadata: Mapping[str, str]

    @classmethod
    def of(cls, entity: Entity) -> Self:
        """Returns a row of an answer."""
        found = cls((name, value) for name, value in entity.items() if name not in _OF_STORAGE)
        found.metadata = {"etag": str(entity.get("odata.etag", ""))}
        return found


@dataclass(slots=True)
class Dates:
    """The last date that storage has sent, and the worker's own instant then. A date has no fractions of a second."""

    sent: str = ""
    received_at: datetime = _LONG_AGO

    def now(self, own: datetime) -> datetime:
        """Returns storage's instant, given the worker's own. A clock that agrees with storage to the second is believed."""
        try:
            least = parsedate_to_datetime(self.sent).astimezone(UTC) + (own - self.received_at)
        except ValueError:
            return own
        return min(max(own, least), least + timedelta(seconds=1))


class Tables(TableServiceClient):
    """The client library's client. It shows the connections that it was given, for calls past its layers."""

    def __init__(self, endpoint: str, *, transport: AsyncHttpTransport[Any, Any], **options: Any) -> None:
        super().__init__(endpoint, transport=transport, **options)
        self.connections = transport


@dataclass(frozen=True, slots=True)
class Rest:
    """Calls to one table."""

    service: str
    """The account's address."""
    table: str
    version: str
    transport: AsyncHttpTransport[Any, Any]
    authorize: Authorize
    dates: Dates = field(default_factory=Dates)

    @classmethod
    def of(cls, service: TableServiceClient, name: str) -> Self | None:
        """Returns the calls to a table over a client's connections.

        Returns ``None`` if the client does not show its connections, or if its credential is of a kind not known here.
        """
        if not isinstance(service, Tables) or (authorize := _authorizing(service.credential)) is None:
            return None
        return cls(service.url.rstrip("/"), name, service.api_version, service.connections, authorize)

    async def row(self, partition: str, row: str) -> tuple[bool, Found | None]:
        """Returns whether storage has answered, and the row: ``None`` if the row or the table is not there.

        Raises ``Unavailable`` if the answer cannot be read.
        """
        answered, answer = await self._get(self._at({"PartitionKey": partition, "RowKey": row}))
        return answered, Found.of(_object(answer)) if answer is not None else None

    async def page(
        self, condition: str, select: list[str] | None, limit: int, token: Mapping[str, str] | None
    ) -> tuple[bool, list[Found], Mapping[str, str] | None]:
        """Returns whether storage has answered, at most ``limit`` rows, and the token of the next page.

        A table that is not there has no rows. Raises ``Unavailable`` if the answer cannot be read.
        """
        wanted = f"$filter={quote(condition)}&$top={limit}" + (f"&$select={','.join(select)}" if select else "")
        following = "".join(f"&Next{name}={quote(value)}" for name, value in (token or {}).items() if value)
        answered, answer = await self._get(f"{self.service}/{self.table}()", f"?{wanted}{following}")
        if answer is None:
            return answered, [], None
        more = {name: answer.headers.get(header) for name, header in _CONTINUED.items()}
        listed = _object(answer).get("value")
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise _garbled()
        rows = [Found.of(each) for each in listed]
        return True, rows, {name: value for name, value in more.items() if value} or None

    async def write(self, operations: Sequence[Operation]) -> list[str] | None:
        """Makes one transaction. Returns the rows' new ETags (of a deleted row, none), or ``None`` if storage has not done it.

        Raises ``AzureError`` if there is no answer, ``Unavailable`` if the answer cannot be read: storage may have done it.
        Raises ``LostRace`` if a row is not as its condition says: then nothing is written.
        """
        if len(operations) == 1:
            (alone,) = operations
            headers = {"Content-Type": "application/json", **_condition(alone)}
            answer = await self._send(alone.method, self._target(alone), headers=headers, content=_json(alone))
            if answer.status_code == _CHANGED:
                _require_no_race(answer.content)
            return _told_of(operations, [answer.headers.get("ETag", "")]) if answer.status_code == _DONE else None
        batch, changes = f"batch_{_IDS.guid()}", f"changeset_{_IDS.guid()}"
        change_set = _multipart(changes, [self._part(each) for each in operations])
        whole = _multipart(batch, [f"Content-Type: multipart/mixed; boundary={changes}\r\n\r\n{change_set}"])
        kind = {"Content-Type": f"multipart/mixed; boundary={batch}"}
        answer = await self._send("POST", f"{self.service}/$batch", headers=kind, content=whole)
        if answer.status_code != _ACCEPTED:
            return None
        parts = _PART.split(answer.content)[1:]
        statuses, answers = [int(each) for each in parts[::2]], parts[1::2]
        if statuses == [_CHANGED]:
            _require_no_race(answers[0])
        if any(status != _DONE for status in statuses):
            return None
        versions = [found[1].decode() if (found := _ETAG.search(each)) else "" for each in answers]
        return _told_of(operations, versions)

    def _part(self, operation: Operation) -> str:
        """Returns a request within a transaction."""
        content = _json(operation)
        of_content = {"Content-Type": "application/json", "Content-Length": len(content)} if content else {}
        headers = {"x-ms-version": self.version, **_PROTOCOL, **_condition(operation), **of_content}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{operation.method} {self._target(operation)} HTTP/1.1\r\n{lines}\r\n{content}"
        return f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n{request}"

    def _target(self, operation: Operation) -> str:
        return f"{self.service}/{self.table}" if operation.method == "POST" else self._at(operation.row)

    def _at(self, row: Row) -> str:
        keys = (quote(str(row[key]).replace("'", "''"), safe="~") for key in ("PartitionKey", "RowKey"))
        return f"{self.service}/{self.table}({"PartitionKey='{}',RowKey='{}'".format(*keys)})"

    async def _get(self, address: str, query: str = "") -> tuple[bool, PlainAnswer | None]:
        try:
            answer = await self._send("GET", address, query)
        except AzureError:
            return False, None
        if answer.status_code == _OK:
            return True, answer
        return answer.status_code == _NOT_FOUND and _code(answer) in NOT_THERE, None

    async def _send(
        self, method: str, address: str, query: str = "", *, headers: Mapping[str, str] | None = None, content: str = ""
    ) -> PlainAnswer:
        date = _date(int(_CLOCK.now().timestamp()))
        whole = {
            **_PROTOCOL,
            "x-ms-version": self.version,
            "x-ms-date": date,
            "Authorization": await self.authorize(urlsplit(address).path, date),
            **(headers or {}),
        }
        request = PlainRequest(method, f"{address}{query}", whole, content.encode() if content else None)
        answer: PlainAnswer = await self.transport.send(request)
        self.dates.sent, self.dates.received_at = answer.headers.get("Date", ""), _CLOCK.now()
        return answer


def _require_no_race(refusal: bytes) -> None:
    """Raises ``LostRace`` if storage itself says that a row has changed: a proxy's 412 proves nothing."""
    if _RACE in refusal:
        raise LostRace(f"table storage: {_RACE.decode()}")


def _told_of(operations: Sequence[Operation], versions: list[str]) -> list[str]:
    """Returns the versions. Each row that is there now must have one, for the next write to be conditional."""
    if len(operations) != len(versions):
        raise _garbled()
    if not all(version or each.method == "DELETE" for each, version in zip(operations, versions, strict=True)):
        raise _garbled()
    return versions


def _object(answer: PlainAnswer) -> Mapping[str, Any]:
    document = parsed(answer.content)
    if not isinstance(document, dict):
        raise _garbled()
    return document


def _garbled() -> Unavailable:
    """For an answer that storage has not written: a proxy's page, for example. The library would raise anything at all."""
    return Unavailable("table storage: an answer that cannot be read", status=_OK)


def _code(answer: PlainAnswer) -> str:
    document = parsed(answer.content)
    error = document.get("odata.error") if isinstance(document, dict) else None
    return str(error.get("code", "")) if isinstance(error, dict) else str(answer.headers.get("x-ms-error-code", ""))


def _multipart(boundary: str, parts: Iterable[str]) -> str:
    return "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"


def _condition(operation: Operation) -> dict[str, str]:
    return ({"If-Match": operation.etag} if operation.etag else {}) | (_QUIET if operation.method == "POST" else {})


def _json(operation: Operation) -> str:
    """Returns the row in ASCII. Texts, whole numbers and truth values need no type beside them. ``None`` is not stored."""
    if operation.method == "DELETE":
        return ""
    return json.dumps({name: value for name, value in operation.row.items() if value is not None})


def _authorizing(credential: object) -> Authorize | None:
    if isinstance(credential, AzureNamedKeyCredential):

        async def with_key(path: str, date: str) -> str:
            """Shared Key Lite: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
            account, key = credential.named_key
            return _signed(account, key, path, date)

        return with_key
    if get_token := getattr(credential, "get_token", None):

        async def with_token(_path: str, _date: str) -> str:
            token = await get_token(STORAGE)
            return f"Bearer {token.token}"

        return with_token
    return None


@lru_cache(maxsize=64)
def _signed(account: str, key: str, path: str, date: str) -> str:
    """Returns a signature. It is cached, because reads that are made together have the same path and date."""
    signature = hmac.digest(b64decode(key), f"{date}\n/{account}{path}".encode(), sha256)
    return f"SharedKeyLite {account}:{b64encode(signature).decode()}"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
