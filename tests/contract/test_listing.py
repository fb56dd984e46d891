"""Listings: the newest first, whatever comes and goes between two pages, and without what has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.lease_table import TableLeases
from shared.core.errors import LostRace, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.ports.leases import LeaseQuery, Leases
from tests.contract.stores import Stores, lease
from tests.contract.wires import OverAWire, keys
from tests.fakes.clock import START, FixedIds
from tests.fakes.world import ALICE, BOB, OTHER_TENANT, TENANT, WEB
from tests.support.kinds import SCHEMAS

OTHER = RoleName("app")
"""Sorts before ``web``."""
QUERIES = [LeaseQuery(), LeaseQuery(role=WEB), LeaseQuery(holder=ALICE.object_id), LeaseQuery(holder=ALICE.object_id, role=WEB)]


def opened_at(minute: int, role: RoleName = WEB, holder: ObjectId = ALICE.object_id) -> Lease:
    """A lease whose id says when it was opened."""
    ulid = FixedIds().ulid(START + timedelta(minutes=minute))
    return replace(lease(1, role, holder), id=LeaseId.of(role, f"{ulid[:10]}{minute:016d}"))


async def end(leases: Leases, one: Lease) -> Lease:
    """Until it is over."""
    ending = await leases.swap(one.ending(Cause.REVOKED, START, START), former=one)
    return await leases.swap(ending.ended(START, timedelta(days=7)), former=ending)


async def ids(leases: Leases, query: LeaseQuery) -> list[LeaseId]:
    """What the first page tells."""
    return [each.id for each in (await leases.list(query)).items]


async def test_the_newest_come_first_whatever_their_roles(stores: Stores) -> None:
    """In every index, and in each state."""
    made = [await stores.leases.open(opened_at(minute, OTHER if minute % 3 else WEB)) for minute in range(40)]
    ended = [await end(stores.leases, each) for each in made if int(each.id.ulid[10:]) % 2]
    newest = [each.id for each in reversed(made)]
    over = {each.id for each in ended}
    for query in QUERIES:
        of_query = [each for each in newest if query.role in {None, each.role}]
        assert of_query == await ids(stores.leases, query)
        assert [each for each in of_query if each not in over] == await ids(stores.leases, replace(query, live=True))
        assert [each for each in of_query if each in over] == await ids(stores.leases, replace(query, state=State.ENDED))
        assert [each for each in of_query if each not in over] == await ids(stores.leases, replace(query, state=State.PLANNED))


@pytest.mark.parametrize("query", QUERIES)
async def test_pages_are_stable_while_leases_begin_and_end(stores: Stores, query: LeaseQuery) -> None:
    """Nothing that stays is missed or told twice: what is new comes before the first page, what has ended is not told."""
    made = [await stores.leases.open(opened_at(minute)) for minute in range(30)]
    query, seen, gone = replace(query, live=True, limit=4), list[LeaseId](), list[LeaseId]()
    for lock in range(30):
        page = await stores.leases.list(query)
        seen += [each.id for each in page.items]
        if page.cursor is None:
            break
        # The lease that the cursor names, one of the next page, and one that is yet to come.
        for one in (made[29 - 4 * lock - 3 + len(gone) // 3], made[max(0, 29 - 4 * lock - 6)]):
            current = await stores.leases.get(one.id)
            if current is not None and current.state.is_live:
                await end(stores.leases, current)
                gone.append(one.id)
        await stores.leases.open(opened_at(100 + lock))
        query = replace(query, cursor=LeaseId(page.cursor))
    staying = [each.id for each in reversed(made) if each.id not in gone]
    assert len(seen) == len(set(seen))
    assert staying == [each for each in seen if each in staying]
    assert sorted(seen, key=lambda each: each.age) == seen


@pytest.mark.parametrize("query", QUERIES)
async def test_ended_leases_are_told_page_by_page(stores: Stores, query: LeaseQuery) -> None:
    """Alone, and among the others."""
    made = [await stores.leases.open(opened_at(minute)) for minute in range(24)]
    ended = [await end(stores.leases, each) for each in made[::2]]
    for asked, expected in ((replace(query, state=State.ENDED), ended), (query, made)):
        found, following = list[LeaseId](), replace(asked, limit=5)
        for _ in range(9):
            page = await stores.leases.list(following)
            found += [each.id for each in page.items]
            if page.cursor is None:
                break
            following = replace(following, cursor=LeaseId(page.cursor))
        assert [each.id for each in reversed(expected)] == found


async def test_a_listing_of_live_leases_reads_no_row_of_one_that_has_ended(over_a_wire: OverAWire) -> None:
    """However many there are: of everybody's, of a role, of a holder; nor does a count."""
    leases, wire, _ = over_a_wire
    stored = await leases.open(opened_at(99))
    for minute in range(20):
        await end(leases, await leases.open(opened_at(minute)))
    for query in QUERIES:
        wire.rows = 0
        assert [stored.id] == await ids(leases, replace(query, live=True))
        assert 1 == wire.rows
    wire.rows = 0
    assert 1 == await leases.count_live(WEB, 100)
    assert 1 == wire.rows


async def test_the_rows_of_a_lease_that_ends_move_and_go_with_it(over_a_wire: OverAWire) -> None:
    """Nothing of it stays among the live ones, and nothing at all once it is forgotten."""
    leases, _, around = over_a_wire
    opened = await leases.open(opened_at(1))
    assert 7 == len(await keys(around))
    ended = await end(leases, opened)
    assert not any(key.startswith(("holder_", "role_", "all_", "in_")) for key in await keys(around))
    assert 3 == sum(key.startswith("past_") for key in await keys(around))
    await leases.remove(ended)
    assert [] == await keys(around)


type Step = Callable[[TableLeases, Lease], Awaitable[Any]]
STEPS: dict[str, Step] = {
    "open": lambda leases, _: leases.open(opened_at(2)),
    "end": lambda leases, one: leases.swap(one.ended(START, timedelta(days=7)), former=one),
    "forget": lambda leases, one: leases.remove(one),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("sends", [False, True], ids=["before", "after"])
async def test_wherever_the_process_dies_lease_and_index_rows_agree(over_a_wire: OverAWire, step: str, *, sends: bool) -> None:
    """At each request of opening, ending and forgetting a lease; done again, it is done."""
    leases, wire, around = over_a_wire
    apart = TableLeases(around, FixedIds(), SCHEMAS)
    for number in range(1, 6):
        one = await apart.open(opened_at(number * 10))
        one = await apart.swap(one.ending(Cause.REVOKED, START, START), former=one)
        if step == "forget":
            one = await apart.swap(one.ended(START, timedelta(days=7)), former=one)
        wire.left, wire.sends = number, sends
        with suppress(Upstream, LostRace):
            await STEPS[step](leases, one)
        wire.left = None
        await agree(around)
        with suppress(Upstream, LostRace):
            await STEPS[step](leases, one)
        await agree(around)
        if step == "forget":
            assert await apart.get(one.id) is None


async def agree(service: TableServiceClient) -> None:
    """Each lease has the index rows that its state calls for, in its own partition, and no others are there."""
    rows = [dict(row) async for row in service.get_table_client("leases").list_entities()]
    own = {LeaseId(row["RowKey"].removeprefix("lease_")): row for row in rows if row["RowKey"].startswith("lease_")}
    result = [row for row in rows if row["RowKey"].startswith(("holder_", "role_", "all_", "past_"))]
    assert 3 * len(own) == len(result)
    for row in result:
        lease_id = LeaseId(row["RowKey"].rpartition("_")[2])
        assert own[lease_id]["PartitionKey"] == row["PartitionKey"]
        assert (own[lease_id]["State"] == State.ENDED) == row["RowKey"].startswith("past_")
        assert (own[lease_id]["State"], own[lease_id]["View"]) == (row["State"], row["View"])


async def test_many_at_once_see_the_same(stores: Stores) -> None:
    """Readers share nothing."""
    made = [await stores.leases.open(opened_at(minute)) for minute in range(12)]
    found = await asyncio.gather(*(ids(stores.leases, replace(QUERIES[each % 4], live=True)) for each in range(8)))
    assert [[each.id for each in reversed(made)]] * 8 == found


async def test_another_holders_leases_are_not_among_a_holders(stores: Stores) -> None:
    """Be they of the same role."""
    own = await stores.leases.open(opened_at(1))
    await stores.leases.open(opened_at(2, holder=BOB.object_id))
    assert [own.id] == await ids(stores.leases, LeaseQuery(holder=ALICE.object_id, role=WEB))


async def test_behind_a_page_of_a_namesakes_leases_a_holders_own_are_found(stores: Stores) -> None:
    """All in one partition, the namesake's the newest: the index knows object ids alone."""
    shard = opened_at(0).id.shard
    minutes = [minute for minute in range(2000) if opened_at(minute).id.shard == shard][:40]
    own = [await stores.leases.open(opened_at(minute)) for minute in minutes[:2]]
    for minute in minutes[2:]:
        made = opened_at(minute)
        await stores.leases.open(replace(made, holder=replace(made.known_holder, tenant_id=OTHER_TENANT)))
    mine = LeaseQuery(holder=ALICE.object_id, tenant=TENANT, limit=10)
    assert [each.id for each in reversed(own)] == await ids(stores.leases, mine)
