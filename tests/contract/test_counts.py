"""Counting a few leases exactly, however they are spread over the partitions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice

from shared.core.lease import Cause
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


async def test_leases_for_pools_are_nobodys_and_not_counted(stores: Stores) -> None:
    """While they are made, and while they end. Who asks for all of them says so."""
    for each in neighbours(3):
        await stores.leases.open(each)
    planned = [await stores.leases.open(replace(each, holder=None)) for each in neighbours(5)[3:]]
    now = planned[0].planned_at
    await stores.leases.swap(planned[0].ending(Cause.DRAINED, now, now), former=planned[0])
    assert [3, 5] == [await stores.leases.count_live(WEB, 100, pooled=each) for each in (False, True)]
    assert [3, 3, None] == [await stores.leases.count_few(WEB, most) for most in (1000, 40, 2)]


async def test_a_lease_of_a_pool_counts_once_somebody_holds_it(stores: Stores) -> None:
    """Its rows say so no more."""
    (mine,) = neighbours(1)
    made = await stores.leases.open(replace(mine, holder=None))
    now = made.planned_at
    pooled = await stores.leases.swap(made.pooled(now, now + timedelta(days=1), ready=False), former=made)
    assert 0 == await stores.leases.count_live(WEB, 100)
    await stores.leases.swap(pooled.claimed("0" * 26, mine), former=pooled)
    assert 1 == await stores.leases.count_live(WEB, 100)
