"""What a listing or a count costs: how many ranges it reads, how many rows it asks of each, and which it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.cloud.storage.lease_index import newest, newest_of_unaligned
from shared.cloud.storage.lease_rows import PARTITIONS
from shared.cloud.storage.tables import Table
from shared.core.lease import State
from shared.core.ports.leases import LeaseQuery
from tests.contract.stores import lease, neighbours
from tests.contract.test_listing import OTHER, QUERIES, opened_at
from tests.contract.wires import OverAWire
from tests.fakes.world import ALICE, BOB, WEB

LIVE = LeaseQuery(live=True)


def shares(asked: Sequence[str], *, past: bool) -> set[int]:
    """How many rows the ranges were asked for, those of leases that have ended or the others."""
    queries = [parse_qs(urlsplit(each).query) for each in asked]
    return {int(each["$top"][0]) for each in queries if ("past_" in each["$filter"][0]) == past}


@pytest.mark.parametrize(
    ("query", "live", "past"),
    [
        (replace(LIVE, limit=99), {12}, set()),
        (replace(LIVE, limit=1), {8}, set()),
        (LeaseQuery(limit=99), {100}, {12}),
        (LeaseQuery(limit=1), {2}, {8}),
        (LeaseQuery(limit=99, state=State.ENDED), set(), {12}),
        (LeaseQuery(limit=99, state=State.ENDED, role=WEB), {12}, {12}),
    ],
)
async def test_each_range_is_asked_for_twice_its_share_of_a_page(
    over_a_wire: OverAWire, query: LeaseQuery, live: set[int], past: set[int]
) -> None:
    """And for eight rows at least; where live leases may become past ones meanwhile, the live are read at once."""
    leases, wire, _ = over_a_wire
    await leases.open(opened_at(1))
    await leases.list(LIVE)
    wire.forget()
    await leases.list(query)
    assert (live, past) == (shares(wire.asked, past=False), shares(wire.asked, past=True))


@pytest.mark.parametrize(("query", "first", "later"), [*zip(QUERIES, (16, 16, 16, 32), (16, 32, 32, 32), strict=True)])
async def test_a_page_of_live_leases_costs_a_request_for_each_range(
    over_a_wire: OverAWire, query: LeaseQuery, first: int, later: int
) -> None:
    """One a partition; what an older version has written lies in another range wherever today's is not read from its start."""
    leases, wire, _ = over_a_wire
    made = await leases.open(opened_at(1))
    await leases.list(LIVE)
    wire.forget()
    await leases.list(replace(query, live=True))
    assert first == wire.requests
    wire.forget()
    await leases.list(replace(query, live=True, cursor=made.id))
    assert later == wire.requests


@pytest.mark.parametrize("query", QUERIES)
async def test_a_later_page_reads_no_row_of_a_former_one(over_a_wire: OverAWire, query: LeaseQuery) -> None:
    """It begins in storage where that one ended."""
    leases, wire, _ = over_a_wire
    made = [await leases.open(opened_at(minute)) for minute in range(20)]
    for asked in (replace(query, live=True), query):
        wire.forget()
        page = await leases.list(replace(asked, cursor=made[1].id))
        assert [made[0].id] == [each.id for each in page.items]
        assert 1 == wire.rows


@pytest.mark.parametrize("read", [newest, newest_of_unaligned])
async def test_one_lease_more_than_a_page_holds_tells_that_there_are_others(over_a_wire: OverAWire, read: Any) -> None:
    """And no second one; where there are no more than the page holds, all of them."""
    leases, _, around = over_a_wire
    made = [(await leases.open(opened_at(minute))).id for minute in range(20)]
    for limit, expected in ((1, 2), (3, 4), (19, 20), (20, 20)):
        found = await read(Table(around, "leases"), LeaseQuery(limit=limit), PARTITIONS)
        assert made[::-1][:expected] == [each.id for each in found]


async def test_pages_before_all_rows_are_aligned_go_on_where_the_former_one_ended(over_a_wire: OverAWire) -> None:
    """The newest first, each once."""
    leases, _, around = over_a_wire
    made = [(await leases.open(opened_at(minute))).id for minute in range(7)]
    found, query = list[str](), LeaseQuery(limit=2)
    for _ in range(9):
        page = await newest_of_unaligned(Table(around, "leases"), query, PARTITIONS)
        found += [each.id for each in page[:2]]
        if len(page) <= 2:
            break
        query = replace(query, cursor=page[1].id)
    assert made[::-1] == found


async def test_before_all_rows_are_aligned_a_role_and_a_holder_read_their_own_alone(over_a_wire: OverAWire) -> None:
    """Only who asks for everybody's reads every lease."""
    leases, wire, around = over_a_wire
    made = [await leases.open(opened_at(minute, OTHER if minute % 2 else WEB, ALICE.object_id)) for minute in range(6)]
    made.append(await leases.open(opened_at(6, OTHER, BOB.object_id)))
    await around.get_table_client("leases").delete_entity("aligned", "leases")
    for query, expected in ((LeaseQuery(role=WEB), 3), (LeaseQuery(holder=BOB.object_id), 1), (LeaseQuery(), 7)):
        wire.forget()
        assert expected == len((await leases.list(query)).items)
        assert expected == wire.rows


async def test_a_count_reads_one_row_past_its_bound_in_each_partition(over_a_wire: OverAWire) -> None:
    """However many leases there are."""
    leases, wire, _ = over_a_wire
    for each in neighbours(12):
        await leases.open(each)
    wire.forget()
    assert 3 == await leases.count_live(lease().id.role, 2)
    assert 3 == wire.rows
