"""The table of pools: hints at leases that stand ready, and how filling goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.cloud.storage.pool_table import TablePools
from shared.cloud.storage.tables import Table, connect
from shared.core.errors import LostRace
from shared.core.names import LeaseId, RoleName
from shared.core.pool import Filling, Hint
from shared.core.ports.pool import Pools
from shared.resilience.tasks import all_of
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock
from tests.fakes.pools import MemoryPools
from tests.fakes.world import WEB

API = RoleName("api")


@pytest.fixture
async def pools(connection: str | None) -> AsyncIterator[Pools]:
    """Each test runs on the fake and on Table Storage."""
    if connection is None:
        yield MemoryPools(Calls(FakeClock()))
    else:
        async with connect(connection) as service:
            yield TablePools(service)


def hint(number: int, role: RoleName = WEB, *, after: float = 0) -> Hint:
    """A hint at a lease that was ready so many seconds after the start."""
    ready_at = START + timedelta(seconds=after)
    return Hint(LeaseId.of(role, f"{number:026d}"), ready_at, f"digest {number}", ready_at, number)


async def test_there_is_nothing_at_first(pools: Pools) -> None:
    """Not even a table."""
    assert ([], {}, {}) == ([*await pools.oldest(WEB, 5)], dict(await pools.hints()), dict(await pools.fillings()))
    await pools.forget(hint(1))
    await pools.forget_filling(WEB)


async def test_the_oldest_come_first_and_no_more_than_asked_for(pools: Pools) -> None:
    """Whatever their ids. Roles whose names begin alike are apart, and how filling goes is no hint."""
    for each in (hint(1, after=30), hint(2, after=10), hint(3, after=20), hint(4, RoleName("web-2")), hint(5, API)):
        await pools.note(each)
    await pools.change_filling(WEB, lambda _: Filling(1))
    assert [hint(2, after=10), hint(3, after=20)] == [*await pools.oldest(WEB, 2)]
    assert [hint(2, after=10), hint(3, after=20), hint(1, after=30)] == [*await pools.oldest(WEB, 9)]
    found = await pools.hints()
    assert {WEB: [2, 3, 1], "web-2": [4], API: [5]} == {
        role: [int(each.lease.ulid) for each in hints] for role, hints in found.items()
    }


async def test_a_hint_is_noted_anew_and_forgotten(pools: Pools) -> None:
    """Both may be repeated."""
    await pools.note(hint(1))
    looked = replace(hint(1), looked_at=START + timedelta(seconds=600))
    for _ in range(2):
        await pools.note(looked)
    assert [looked] == [*await pools.oldest(WEB, 5)]
    for _ in range(2):
        await pools.forget(looked)
    assert [] == [*await pools.oldest(WEB, 5)]


async def test_how_filling_goes_is_stored(pools: Pools) -> None:
    """Each change is of what is stored, until that is forgotten."""
    going = Filling(3, START + timedelta(seconds=60), START, "azure_throttled", START + timedelta(seconds=30))
    found: list[Filling] = []

    def change(it: Filling) -> Filling | None:
        found.append(it)
        return going if it == Filling() else None

    assert going == await pools.change_filling(WEB, change)
    assert None is await pools.change_filling(WEB, change)
    assert [Filling(), going] == found
    await pools.change_filling(API, lambda _: Filling())
    assert {WEB: going, API: Filling()} == dict(await pools.fillings())
    for _ in range(2):
        await pools.forget_filling(WEB)
    assert {API: Filling()} == dict(await pools.fillings())


@pytest.mark.parametrize(
    "damage",
    [
        {"Form": 9},
        {"Form": "x"},
        {"ReadyAt": "yesterday"},
        {"Lease": "web"},
        {"Digest": 7},
        {"Generation": "x"},
        {"LookedAt": ""},
    ],
)
async def test_a_hint_that_cannot_be_read_is_passed_over(storage_connection: str, damage: dict[str, object]) -> None:
    """The others are told."""
    async with connect(storage_connection) as service:
        pools, table = TablePools(service), Table(service, "pool")
        await pools.note(hint(1))
        await pools.note(hint(2, after=1))
        rows = [row async for row in table.scan(f"PartitionKey eq '{WEB}'")]
        await service.get_table_client("pool").upsert_entity({**rows[0], **damage})
        assert [2] == [int(each.lease.ulid) for each in await pools.oldest(WEB, 5)]
        await pools.change_filling(WEB, lambda _: Filling(2))
        await service.get_table_client("pool").upsert_entity(
            {
                "PartitionKey": str(WEB),
                "RowKey": "~filling",
                "Failures": "many",
                "NextAt": "",
                "HungrySince": "",
                "LastError": "",
                "Until": "",
            }
        )
        assert {} == dict(await pools.fillings())
        assert Filling(1) == await pools.change_filling(WEB, lambda it: replace(it, failures=it.failures + 1))


async def test_of_two_that_change_it_at_once_each_sees_the_other(storage_connection: str) -> None:
    """A change is made again of what another worker has stored in between."""
    async with connect(storage_connection) as service:
        pools, others = TablePools(service), TablePools(service)
        await all_of(*(each.change_filling(WEB, _once_more) for each in (pools, others) for _ in range(3)))
        assert {WEB: Filling(6)} == dict(await pools.fillings())


async def test_who_loses_again_and_again_gives_up(storage_connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody waits for ever."""
    async with connect(storage_connection) as service:
        pools, table = TablePools(service), Table(service, "pool")
        await pools.change_filling(WEB, _once_more)
        stale = await table.read(WEB, "~filling")
        await pools.change_filling(WEB, _once_more)

        async def read(_self: Table, _partition: str, _key: str) -> object:
            return stale

        monkeypatch.setattr(Table, "read", read)
        with pytest.raises(LostRace):
            await pools.change_filling(WEB, _once_more)


def _once_more(it: Filling) -> Filling:
    return replace(it, failures=it.failures + 1)
