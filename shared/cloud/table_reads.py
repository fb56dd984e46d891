"""Reading rows the short way: one GET over a client's own connections, without the layers of the client library above them.

Those take more than half of the processor's time that a read costs, and a listing makes sixteen. What is not plainly answered
here is asked again through the library, which repeats, waits and names what is wrong.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Self
from urllib.parse import quote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest
from azure.data.tables.aio import TableServiceClient

from shared.cloud.repeating import STORAGE
from shared.cloud.system import SystemClock

type Entity = Mapping[str, Any]
type Authorize = Callable[[str, str], Awaitable[str]]
"""From a path and a date to the header ``Authorization``."""

_CLOCK = SystemClock()
_OK, _NOT_FOUND = 200, 404
_CONTINUED = {"PartitionKey": "x-ms-continuation-NextPartitionKey", "RowKey": "x-ms-continuation-NextRowKey"}
_OF_STORAGE = ("odata.metadata", "odata.etag", "Timestamp")
"""What an answer has beside a row's own properties."""


class Found(dict[str, Any]):
    """A row as the client library would give it: its own properties, and the version in ``metadata``."""

    metadata: Mapping[str, str]

    @classmethod
    def of(cls, entity: Entity) -> Self:
        """A row of an answer."""
        found = cls((name, value) for name, value in entity.items() if name not in _OF_STORAGE)
        found.metadata = {"etag": str(entity.get("odata.etag", ""))}
        return found


class Tables(TableServiceClient):
    """The client library's, which keeps the connections that it is given for reads past its layers as well."""

    def __init__(self, endpoint: str, *, transport: AsyncHttpTransport[Any, Any], **options: Any) -> None:
        super().__init__(endpoint, transport=transport, **options)
        self.connections = transport


@dataclass(frozen=True, slots=True)
class Reads:
    """Of one table."""

    url: str
    version: str
    transport: AsyncHttpTransport[Any, Any]
    authorize: Authorize

    @classmethod
    def of(cls, service: TableServiceClient, name: str) -> Self | None:
        """Over the connections of a client; ``None`` for one that does not show them, or whose credential is not known here."""
        if not isinstance(service, Tables) or (authorize := _authorizing(service.credential)) is None:
            return None
        return cls(f"{service.url.rstrip('/')}/{name}", service.api_version, service.connections, authorize)

    async def row(self, partition: str, row: str) -> tuple[bool, Found | None]:
        """Whether it was answered, and the row, ``None`` where it or the table is not there."""
        keys = (quote(key.replace("'", "''"), safe="~") for key in (partition, row))
        path = "PartitionKey='{}',RowKey='{}'".format(*keys)
        answered, answer = await self._get(f"{self.url}({path})")
        return answered, Found.of(json.loads(answer.content)) if answer is not None else None

    async def page(
        self, condition: str, select: list[str] | None, limit: int, token: Mapping[str, str] | None
    ) -> tuple[bool, list[Found], Mapping[str, str] | None]:
        """Whether it was answered, at most so many rows, and where the next begin; a table that is not there has none."""
        wanted = f"$filter={quote(condition)}&$top={limit}" + (f"&$select={','.join(select)}" if select else "")
        following = "".join(f"&Next{name}={quote(value)}" for name, value in (token or {}).items() if value)
        answered, answer = await self._get(f"{self.url}()", f"?{wanted}{following}")
        if answer is None:
            return answered, [], None
        more = {name: answer.headers.get(header) for name, header in _CONTINUED.items()}
        rows = [Found.of(each) for each in json.loads(answer.content)["value"]]
        return True, rows, {name: value for name, value in more.items() if value} or None

    async def _get(self, address: str, query: str = "") -> tuple[bool, Any]:
        date = format_datetime(_CLOCK.now(), usegmt=True)
        headers = {
            "Accept": "application/json;odata=minimalmetadata",
            "DataServiceVersion": "3.0",
            "x-ms-version": self.version,
            "x-ms-date": date,
            "Authorization": await self.authorize(urlsplit(address).path, date),
        }
        try:
            answer = await self.transport.send(HttpRequest("GET", f"{address}{query}", headers=headers))
        except AzureError:
            return False, None
        return answer.status_code in {_OK, _NOT_FOUND}, answer if answer.status_code == _OK else None


def _authorizing(credential: object) -> Authorize | None:
    if isinstance(credential, AzureNamedKeyCredential):
        return _with_key(credential)
    if get_token := getattr(credential, "get_token", None):

        async def with_token(_path: str, _date: str) -> str:
            token = await get_token(STORAGE)
            return f"Bearer {token.token}"

        return with_token
    return None


def _with_key(credential: AzureNamedKeyCredential) -> Authorize:
    """By Shared Key Lite.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """

    async def with_key(path: str, date: str) -> str:
        account, key = credential.named_key
        signature = hmac.digest(b64decode(key), f"{date}\n/{account}{path}".encode(), sha256)
        return f"SharedKeyLite {account}:{b64encode(signature).decode()}"

    return with_key
