"""Scans of Table storage that go on behind their first page."""

from __future__ import annotations

from itertools import batched

from shared.cloud.storage.table_operations import create
from shared.cloud.storage.tables import Table, connect

ROWS = 2001
"""Two pages of storage's own, and one row more."""


async def test_a_scan_goes_on_behind_its_first_thousand_rows(storage_connection: str) -> None:
    """Whatever it fetches at once: a page of its own choice, or storage's most."""
    async with connect(storage_connection) as service:
        table = Table(service, "rows")
        for some in batched(range(ROWS), 100, strict=False):
            await table.write([create({"PartitionKey": "p", "RowKey": f"{number:05d}"}) for number in some])
        everything = [row["RowKey"] async for row in table.scan("PartitionKey eq 'p'", select=["RowKey"])]
        in_sevens = [row["RowKey"] async for row in table.scan("PartitionKey eq 'p' and RowKey lt '00030'", limit=7)]
    assert [f"{number:05d}" for number in range(ROWS)] == everything
    assert [f"{number:05d}" for number in range(30)] == in_sevens
