"""Counting a few leases exactly, however they are spread over the partitions."""

from __future__ import annotations

from itertools import islice

from tests.contract.stores import Stores, lease, neighbours
from tests.fakes.world import WEB


async def test_a_first_partition_with_twice_its_share_tells_that_there_are_many(tables: Stores) -> None:
    """Ids are spread evenly: of 48 a partition has three, so that with more than six of them in it nobody reads on."""
    for each in neighbours(6, "00"):
        await tables.leases.open(each)
    assert [6, 6, None] == [await tables.leases.count_few(WEB, most) for most in (1000, 48, 47)]


async def test_leases_are_counted_up_to_a_bound_within_a_partition_too(stores: Stores) -> None:
    """One past it, whichever way they are spread; a partition that holds twice its share is told as many."""
    for each in neighbours(5):
        await stores.leases.open(each)
    assert [5, 5, 5, 4, 3, 1] == [await stores.leases.count_live(WEB, most) for most in (100, 5, 4, 3, 2, 0)]
    for spread in range(1, 4):
        await stores.leases.open(lease(20_000 + spread))
    assert [8, 8, None, None] == [await stores.leases.count_few(WEB, most) for most in (1000, 40, 7, 0)]


async def test_exactly_as_many_as_asked_for_are_few(tables: Stores) -> None:
    """One more is many."""
    others = (each for each in map(lease, range(10_000)) if each.id.shard != "00")
    for each in islice(others, 9):
        await tables.leases.open(each)
    assert [9, None] == [await tables.leases.count_few(WEB, most) for most in (9, 8)]
