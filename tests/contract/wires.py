"""A store over a wire that counts what comes over it, and dies when it is told to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.data.tables.aio import TableServiceClient

from shared.cloud.azure_connections import InTime
from shared.cloud.storage.lease_table import TableLeases


@dataclass
class Wire:
    """Keeps what is asked for, counts the rows in answers, and dies after so many requests, the last of them sent or not."""

    line: CountingTransport = field(init=False)
    asked: list[str] = field(default_factory=list)
    rows: int = 0
    left: int | None = None
    sends: bool = False

    def __post_init__(self) -> None:
        self.line = CountingTransport(self)

    @property
    def requests(self) -> int:
        """How many were made."""
        return len(self.asked)

    def forget(self) -> None:
        """Counts anew."""
        self.asked.clear()
        self.rows = 0


class CountingTransport(InTime):
    """The wire itself."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends it while there are requests left."""
        wire = self.wire
        wire.asked.append(request.url)
        if wire.left is not None and wire.left > 0:
            wire.left -= 1
            if wire.left == 0 and wire.sends:
                await super().send(request, **options)
                raise ServiceResponseError("dead")
        if wire.left == 0:
            raise ServiceRequestError("dead")
        answer = await super().send(request, **options)
        body = answer.content if request.method == "GET" else b""
        wire.rows += len(json.loads(body).get("value", ())) if body.startswith(b"{") else 0
        return answer


type OverAWire = tuple[TableLeases, Wire, TableServiceClient]
"""The store over such a wire, and the way around it."""


async def keys(service: TableServiceClient) -> list[str]:
    """Of every row of leases, and of the hints of stuck ones."""
    rows = [dict(row) async for row in service.get_table_client("leases").list_entities()]
    return sorted(str(row["RowKey"]) for row in rows if row["PartitionKey"] != "aligned")
