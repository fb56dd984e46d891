"""Connections that storage has closed while they were kept: Azure's clients send no POST again, so the broker does."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceRequestTimeoutError
from azure.core.pipeline.transport import AioHttpTransport

from shared.cloud.lease_table import TableLeases
from shared.cloud.table_reads import Tables
from shared.core.errors import Unreachable
from tests.contract.stores import lease
from tests.fakes.clock import FixedIds


class DeadLine(AioHttpTransport):  # type: ignore[misc]  # azure-core loads it lazily, without a type
    """The wire below the SDK's retries: so many of the next writes find their connection dead."""

    dead = 0
    error: type[ServiceRequestError] = ServiceRequestError

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends it, unless the connection is dead."""
        if self.dead and request.method == "POST":
            self.dead -= 1
            raise self.error("Server disconnected")
        return await super().send(request, **options)


async def opened(connection: str, dead: int, error: type[ServiceRequestError] = ServiceRequestError) -> bool:
    """Whether a lease is stored over such a wire."""
    line = DeadLine()
    async with Tables.from_connection_string(connection, transport=line) as service:
        store = TableLeases(service, FixedIds())
        line.dead, line.error = dead, error
        made = await store.open(lease())
        return made == await store.get(made.id)


@pytest.mark.parametrize("dead", [1, 2])
async def test_a_write_that_met_a_dead_connection_is_sent_again(storage_connection: str, dead: int) -> None:
    """It never arrived; and one that did arrive is recognised by its write id."""
    assert await opened(storage_connection, dead)


async def test_a_storage_that_takes_no_connection_is_unreachable(storage_connection: str) -> None:
    """After a few tries."""
    with pytest.raises(Unreachable):
        await opened(storage_connection, 3)


async def test_a_connection_that_takes_too_long_is_not_tried_again(storage_connection: str) -> None:
    """The time is the caller's."""
    with pytest.raises(Unreachable):
        await opened(storage_connection, 1, ServiceRequestTimeoutError)
