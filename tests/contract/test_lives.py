"""Leases that are pooled, prepared, or were claimed from a pool: what each read of the store tells of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.lease_rows import index_keys
from shared.cloud.storage.lease_table import TableLeases
from shared.core.generation import Generation
from shared.core.lease import Cause, Holder, Lease, State
from shared.core.names import LeaseId
from shared.core.ports.leases import LeaseQuery, Leases
from tests.contract.stores import Stores, lease
from tests.contract.wires import OverAWire
from tests.fakes.clock import START, FixedIds
from tests.fakes.world import ALICE, TENANT, WEB
from tests.support.kinds import SCHEMAS

NOW = START + timedelta(seconds=60)
LATER = START + timedelta(seconds=900)
HOLDER = Holder(ALICE.object_id, TENANT)
OF_ALL = LeaseQuery()
OF_THE_ROLE = LeaseQuery(role=WEB)
OF_ALICE = LeaseQuery(holder=ALICE.object_id, tenant=TENANT)
QUERIES = pytest.mark.parametrize("query", [OF_ALL, OF_THE_ROLE, OF_ALICE], ids=["all", "role", "holder"])


def at(minute: int) -> str:
    """A ULID of that minute."""
    return f"{FixedIds().ulid(START + timedelta(minutes=minute))[:10]}{minute:016d}"


def opened(minute: int) -> Lease:
    """A planned lease of that minute."""
    return replace(lease(), id=LeaseId.of(WEB, at(minute)))


async def pool(leases: Leases, minute: int) -> Lease:
    """A lease that was opened in that minute and is pooled."""
    made = await leases.open(replace(opened(minute), holder=None))
    return await leases.swap(made.pooled(NOW, LATER, ready=True), former=made)


async def claim(leases: Leases, one: Lease, minute: int, generation: int = 0) -> Lease:
    """It is claimed in that minute."""
    planned = replace(one, state=State.PLANNED, holder=HOLDER, generation=generation, due_at=LATER, made_by=LATER)
    claimed = one.claimed(at(minute), planned)
    return await leases.swap(claimed, former=one)


async def prepare(leases: Leases, minute: int) -> Lease:
    """A lease that was opened in that minute and is prepared."""
    made = await leases.open(opened(minute))
    return await leases.swap(made.prepared(NOW, LATER), former=made)


async def found(leases: Leases, query: LeaseQuery) -> list[LeaseId]:
    """What the first page tells."""
    return [each.id for each in (await leases.list(query)).items]


async def test_every_field_comes_back(stores: Stores) -> None:
    """Of a lease without a holder, of a claimed one, of one that is prepared, and of one that ended there."""
    pooled = await pool(stores.leases, 1)
    assert (None, NOW, State.POOLED) == (pooled.holder, pooled.ready_at, pooled.state)
    claimed = await claim(stores.leases, await pool(stores.leases, 2), 9, generation=4)
    assert (HOLDER, at(9), 4) == (claimed.holder, claimed.claim, claimed.generation)
    prepared = await prepare(stores.leases, 3)
    collecting = await stores.leases.swap(prepared.collecting(LATER), former=prepared)
    drained = await pool(stores.leases, 4)
    ending = await stores.leases.swap(drained.ending(Cause.DRAINED, NOW, NOW), former=drained)
    ended = await stores.leases.swap(ending.ended(NOW, timedelta(days=7)), former=ending)
    for each in (pooled, claimed, collecting, ended):
        assert each == await stores.leases.get(each.id)


async def test_a_pooled_lease_is_listed_only_to_whoever_asks_for_its_state(stores: Stores) -> None:
    """Not among the live ones, and never among a holder's."""
    pooled, prepared = await pool(stores.leases, 1), await prepare(stores.leases, 2)
    for query in (OF_ALL, OF_THE_ROLE):
        assert [prepared.id, pooled.id] == await found(stores.leases, query)
        assert [pooled.id] == await found(stores.leases, replace(query, state=State.POOLED))
        assert [prepared.id] == await found(stores.leases, replace(query, live=True))
    assert [prepared.id] == await found(stores.leases, OF_ALICE)
    assert [] == await found(stores.leases, replace(OF_ALICE, state=State.POOLED))


async def test_what_must_stand_is_listed_together(stores: Stores) -> None:
    """What is pooled, prepared or active, page by page; not what is planned, ending or over."""
    pooled, prepared = await pool(stores.leases, 1), await prepare(stores.leases, 2)
    planned = await stores.leases.open(opened(3))
    activated = await stores.leases.open(opened(4))
    active = await stores.leases.swap(activated.activated(NOW, ready=True), former=activated)
    taken = await prepare(stores.leases, 5)
    await stores.leases.swap(taken.ending(Cause.REVOKED, NOW, NOW), former=taken)
    query, seen = LeaseQuery(standing=True, limit=1), list[LeaseId]()
    for _ in range(4):
        page = await stores.leases.list(query)
        seen += [each.id for each in page.items]
        if page.cursor is None:
            break
        query = replace(query, cursor=LeaseId(page.cursor))
    assert [active.id, prepared.id, pooled.id] == seen
    assert planned.id not in seen


@QUERIES
async def test_a_claimed_lease_stands_where_its_claim_is(stores: Stores, query: LeaseQuery) -> None:
    """Among those that were opened before and after it, live and when it is over; no page misses or repeats any."""
    claimed = await claim(stores.leases, await pool(stores.leases, 1), 5)
    others = [await stores.leases.open(opened(minute)) for minute in (2, 4, 6, 8)]
    newest = [others[3].id, others[2].id, claimed.id, others[1].id, others[0].id]
    assert newest == await found(stores.leases, query)
    page, seen = replace(query, limit=1), list[LeaseId]()
    while True:
        part = await stores.leases.list(page)
        seen += [each.id for each in part.items]
        if part.cursor is None:
            break
        page = replace(page, cursor=LeaseId(part.cursor))
    assert newest == seen
    ending = await stores.leases.swap(claimed.ending(Cause.REVOKED, NOW, NOW), former=claimed)
    await stores.leases.swap(ending.ended(NOW, timedelta(days=7)), former=ending)
    assert newest == await found(stores.leases, query)
    assert [claimed.id] == await found(stores.leases, replace(query, state=State.ENDED))


async def test_what_is_pooled_is_counted_only_by_state(stores: Stores) -> None:
    """Not as a live lease of its role, and not in its room; what is prepared takes room without being admitted."""
    await pool(stores.leases, 1)
    await pool(stores.leases, 2)
    await prepare(stores.leases, 3)
    planned = await stores.leases.open(opened(4))
    leases = stores.leases
    assert 2 == await leases.count_live(WEB, 9) == await leases.count_few(WEB, 9)
    assert 4 == await leases.count_live(WEB, 9, pooled=True)
    assert (1, 2) == tuple([(await leases.room_taken(WEB, which, 9)).taken for which in (frozenset(), frozenset({planned.id}))])
    counted = {(WEB, State.POOLED): 2, (WEB, State.PREPARED): 1, (WEB, State.PLANNED): 1}
    assert counted == dict(await leases.count())


async def test_a_revocation_of_the_role_finds_them_all(stores: Stores) -> None:
    """Each by the generation that it has: a claimed one by that of its claim."""
    pooled, prepared = await pool(stores.leases, 1), await prepare(stores.leases, 2)
    older = await claim(stores.leases, await pool(stores.leases, 3), 7)
    newer = await claim(stores.leases, await pool(stores.leases, 4), 8, generation=1)
    overtaken = {each async for each in stores.leases.overtaken(Generation(WEB, number=1))}
    assert {pooled.id, prepared.id, older.id} == overtaken
    assert newer.id not in overtaken


async def test_each_is_due_at_its_instant_and_forgotten_without_a_trace(stores: Stores, connection: str | None) -> None:
    """No row stays in any index, wherever it has been."""
    claimed = await claim(stores.leases, await pool(stores.leases, 1), 5)
    pooled = await pool(stores.leases, 2)
    assert [] == [each async for each in stores.leases.due(LATER - timedelta(seconds=1))]
    assert {claimed.id, pooled.id} == {each async for each in stores.leases.due(LATER)}
    for one in (claimed, pooled):
        ending = await stores.leases.swap(one.ending(Cause.REVOKED, NOW, NOW), former=one)
        ended = await stores.leases.swap(ending.ended(NOW, timedelta(days=7)), former=ending)
        await stores.leases.remove(ended)
    assert [] == await found(stores.leases, OF_ALL)
    if connection is not None:
        async with TableServiceClient.from_connection_string(connection) as service:
            rows = [row async for row in service.get_table_client("leases").list_entities()]
        assert ["leases", "scopes"] == [row["RowKey"] for row in rows]


async def test_index_rows_that_are_lost_are_written_anew_where_the_claim_is(over_a_wire: OverAWire) -> None:
    """As the reconciliation finds them amiss. Until it has, a list reads every lease's own row, in the same order."""
    leases, _, service = over_a_wire
    claimed = await claim(leases, await pool(leases, 1), 5)
    claimed = await leases.swap(claimed.prepared(NOW, LATER), former=claimed)
    others = [await leases.open(opened(minute)) for minute in (2, 8)]
    newest = [others[1].id, claimed.id, others[0].id]
    table = service.get_table_client("leases")
    for key in index_keys(claimed):
        await table.delete_entity(claimed.id.shard, key)
    await table.delete_entity("aligned", "leases")
    unaligned = TableLeases(service, FixedIds(), SCHEMAS)
    assert newest == await found(unaligned, OF_ALL)
    assert newest[1:] == await found(unaligned, replace(OF_ALL, cursor=others[1].place))
    assert newest[2:] == await found(unaligned, replace(OF_ALL, cursor=claimed.place))
    assert 1 == await leases.align(10)
    for query in (OF_ALL, OF_THE_ROLE, OF_ALICE):
        assert newest == await found(leases, query)
