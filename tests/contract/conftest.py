from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.table_rest import Tables
from shared.cloud.storage.tables import connect
from tests.contract.stores import Stores, in_memory, on_tables
from tests.contract.wires import OverAWire, Wire
from tests.fakes.clock import FixedIds
from tests.support.kinds import SCHEMAS


@pytest.fixture(params=["memory", "tables"])
def connection(request: pytest.FixtureRequest) -> str | None:
    """The storage account of one test, or none."""
    return request.getfixturevalue("storage_connection") if request.param == "tables" else None


@pytest.fixture
async def stores(connection: str | None) -> AsyncIterator[Stores]:
    """Each test runs on the fakes and on Table storage."""
    if connection is None:
        yield in_memory()
    else:
        async with on_tables(connection) as made:
            yield made


@pytest.fixture
async def tables(storage_connection: str) -> AsyncIterator[Stores]:
    """Table storage alone, for what only a wire can do."""
    async with on_tables(storage_connection) as made:
        yield made


@pytest.fixture
async def over_a_wire(storage_connection: str) -> AsyncIterator[OverAWire]:
    """Leases over a wire that counts and dies."""
    wire = Wire()
    async with (
        Tables.from_connection_string(storage_connection, transport=wire.line, retry_total=0) as service,
        connect(storage_connection) as around,
    ):
        yield TableLeases(service, FixedIds(), SCHEMAS), wire, around
