"""Index rows that belie their leases, brought into today's form: so many a run, and a note once nothing is left to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.cloud.storage.lease_rows import ALL, index_key, index_keys, role_index
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.tables import connect
from shared.core.lease import Lease
from shared.core.names import LeaseId
from shared.core.outgoing.event import OutgoingEvent
from tests.contract.stores import lease
from tests.fakes.clock import START, FixedIds
from tests.stored.test_index_rows import write_as_before
from tests.support.kinds import SCHEMAS


@pytest.fixture
async def service(storage_connection: str) -> AsyncIterator[TableServiceClient]:
    """Storage in which it is not noted that all rows are as they should be."""
    async with connect(storage_connection) as made:
        await TableLeases(made, FixedIds(), SCHEMAS).open(lease(99))
        for mark in ("leases", "scopes"):
            await leases_of(made).delete_entity("aligned", mark)
        yield made


def leases_of(service: TableServiceClient) -> TableClient:
    """The table itself."""
    return service.get_table_client("leases")


async def row_keys(service: TableServiceClient, lease_id: LeaseId) -> set[str]:
    """Of the lease's index rows, but for those of scopes."""
    keys = [str(row["RowKey"]) async for row in leases_of(service).list_entities(select=["RowKey"])]
    return {key for key in keys if key.endswith(f"_{lease_id}") and not key.startswith(("lease_", "due_", "in_", "at_"))}


async def is_noted(service: TableServiceClient) -> bool:
    """Whether it is written down that nothing is left to do."""
    marks = [row["RowKey"] async for row in leases_of(service).query_entities("PartitionKey eq 'aligned'")]
    assert marks in ([], ["leases", "scopes"])
    return bool(marks)


async def active(service: TableServiceClient, number: int = 1) -> Lease:
    """A lease in nobody's hands."""
    store = TableLeases(service, FixedIds(), SCHEMAS)
    opened = await store.open(lease(number))
    return await store.swap(opened.activated(START, ready=True), former=opened)


async def active_as_before(service: TableServiceClient, number: int = 1) -> Lease:
    """The same, as an older version has moved it."""
    made = await active(service, number)
    await write_as_before(leases_of(service), made)
    return made


async def left_behind(service: TableServiceClient, number: int) -> None:
    """An index row of a lease that is gone."""
    gone = lease(number).id
    await leases_of(service).create_entity({"PartitionKey": gone.shard, "RowKey": str(index_key(ALL, gone)), "View": "{}"})


async def test_a_run_mends_so_many_and_notes_when_nothing_is_left(service: TableServiceClient) -> None:
    """It tells how many it met, those that it left as well."""
    for number in range(1, 4):
        await left_behind(service, number)
    store = TableLeases(service, FixedIds(), SCHEMAS)
    assert (3, False) == (await store.align(2), await is_noted(service))
    assert (1, True) == (await store.align(2), await is_noted(service))
    assert 0 == await store.align(2)


async def test_a_lease_from_before_is_mended_and_that_is_noted_by_the_same_run(service: TableServiceClient) -> None:
    """Nothing is left to do then."""
    made = await active_as_before(service)
    store = TableLeases(service, FixedIds(), SCHEMAS)
    assert (1, True) == (await store.align(9), await is_noted(service))
    assert {*index_keys(made)} == await row_keys(service, made.id)


async def test_the_rows_of_a_lease_of_today_are_mended_too(service: TableServiceClient) -> None:
    """A row of an older version that stands beside them goes, one that is missing comes back."""
    made, table = await active(service), leases_of(service)
    key = {"PartitionKey": made.id.shard}
    await table.create_entity(key | {"RowKey": f"{role_index(made.id.role)}{made.id}", "View": "{}"})
    await table.delete_entity(made.id.shard, index_key(role_index(made.id.role), made.id))
    store = TableLeases(service, FixedIds(), SCHEMAS)
    assert (1, True) == (await store.align(9), await is_noted(service))
    assert {*index_keys(made)} == await row_keys(service, made.id)


class Moved(TableLeases):
    """The store, where another worker comes between: before a lease is looked at closely, or before it is written."""

    before_get = before_swap = False
    moved: Lease | None = None

    async def get(self, lease_id: LeaseId) -> Lease | None:
        """After the other one has moved it."""
        if self.before_get:
            self.before_get = False
            await self._move(lease_id)
        return await super().get(lease_id)

    async def swap(self, lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        """The same."""
        if self.before_swap:
            self.before_swap = False
            await self._move(lease.id)
        return await super().swap(lease, former=former, events=events)

    async def _move(self, lease_id: LeaseId) -> None:
        found = await super().get(lease_id)
        assert found is not None
        self.moved = await super().swap(replace(found, attempts=1), former=found)


async def test_a_lease_that_moved_meanwhile_is_left_as_it_is(service: TableServiceClient) -> None:
    """The move has brought its rows into today's form: nothing is left to do, and nobody writes."""
    made = await active_as_before(service)
    store = Moved(service, FixedIds(), SCHEMAS)
    store.before_get = True
    assert (1, True) == (await store.align(9), await is_noted(service))
    assert store.moved == await store.get(made.id)


async def test_a_run_that_loses_to_another_notes_nothing(service: TableServiceClient) -> None:
    """The next one looks again."""
    await active_as_before(service)
    store = Moved(service, FixedIds(), SCHEMAS)
    store.before_swap = True
    assert (1, False) == (await store.align(9), await is_noted(service))
    assert (0, True) == (await store.align(9), await is_noted(service))
