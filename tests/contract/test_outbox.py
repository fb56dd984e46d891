"""The outbox keeps its contract, in memory and on Table storage: stored with a move, found when due, moved, and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from shared.cloud.storage.audit_table import TableRunHistory
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.outbox_table import TableOutbox
from shared.cloud.storage.pool_table import TablePools
from shared.cloud.storage.table_operations import put
from shared.cloud.storage.table_rest import Tables
from shared.cloud.storage.tables import Table, connect
from shared.core.errors import LostRace
from shared.core.lease import Lease
from shared.core.names import LeaseId, shard_of
from shared.core.outgoing.event import EventType, OutgoingEvent
from shared.core.outgoing.of_leases import to_be_told
from shared.core.pool import Filling
from shared.core.ports.leases import Leases
from shared.core.ports.outbox import Outbox, Waiting, WaitingEvent
from shared.core.ports.pool import Pools
from shared.core.ports.run_history import Publishing, RunHistory
from tests.contract.stores import LOSSES, LossyLine, lease
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.leases import MemoryLeases
from tests.fakes.outbox import MemoryOutbox
from tests.fakes.pools import MemoryPools
from tests.fakes.stores import MemoryRunHistory
from tests.fakes.world import WEB
from tests.support.kinds import SCHEMAS

IDS = FixedIds(7)
LATER = START + timedelta(minutes=5)


@dataclass
class Kept:
    """The stores that know of events."""

    leases: Leases
    outbox: Outbox
    run_history: RunHistory
    pools: Pools
    line: LossyLine | None = None

    async def due(self, at: datetime) -> list[WaitingEvent]:
        """The events that are due, in the order of their ids."""
        found = [each async for each in self.leases.due(at) if isinstance(each, WaitingEvent)]
        return sorted(found, key=lambda it: it.id)


@asynccontextmanager
async def on_tables(connection: str) -> AsyncIterator[Kept]:
    """The product's."""
    line = LossyLine()
    async with Tables.from_connection_string(connection, transport=line, retry_backoff_factor=0.01) as service:
        leases = TableLeases(service, FixedIds(), SCHEMAS)
        yield Kept(leases, TableOutbox(service), TableRunHistory(service), TablePools(service), line)


@pytest.fixture
async def stores(connection: str | None) -> AsyncIterator[Kept]:
    """Each test runs on the fakes and on Table storage."""
    if connection is None:
        calls = Calls(FakeClock())
        leases = MemoryLeases(calls)
        yield Kept(leases, MemoryOutbox(calls, leases.outbox), MemoryRunHistory(calls), MemoryPools(calls))
    else:
        async with on_tables(connection) as made:
            yield made


def event(at: datetime = START, **more: object) -> OutgoingEvent:
    """A new one."""
    return OutgoingEvent(IDS.ulid(at), EventType.ENDED, "roles/web", at, {"it's": "\u00e9", **more})


async def active(stores: Kept, number: int = 1) -> tuple[Lease, Lease]:
    """A lease before it becomes active, and after; not stored yet."""
    former = await stores.leases.open(lease(number))
    return former, to_be_told(former, former.activated(START, ready=True), START)


async def test_an_event_is_stored_with_the_move_of_which_it_tells(stores: Kept) -> None:
    """In the lease's own shard, due at once, and with what it says."""
    former, moved = await active(stores)
    new = event()
    await stores.leases.swap(moved, former=former, events=[new])
    (found,) = await stores.due(START)
    assert (new.id, former.id.shard, START, START) == (found.id, found.shard, found.due_at, found.at)
    assert "\\u00e9" in found.text
    assert [] == await stores.due(START - timedelta(milliseconds=1))


async def test_without_the_move_there_is_no_event(stores: Kept) -> None:
    """Who loses the race stores neither."""
    former, moved = await active(stores)
    await stores.leases.swap(moved, former=former)
    with pytest.raises(LostRace):
        await stores.leases.swap(moved, former=former, events=[event()])
    assert [] == await stores.due(LATER)


@LOSSES
async def test_a_move_whose_answer_was_lost_is_told_once(storage_connection: str, loss: Exception) -> None:
    """It is recognised as its own, and so is its event."""
    async with on_tables(storage_connection) as stores:
        former, moved = await active(stores)
        assert stores.line is not None
        stores.line.losing, stores.line.loss = True, loss
        new = event()
        await stores.leases.swap(moved, former=former, events=[new])
        assert [new.id] == [each.id for each in await stores.due(START)]


async def test_a_lease_that_is_to_be_told_of_is_due_early_and_read_as_it_was(stores: Kept) -> None:
    """Two thirds of its life ahead, in a form that an earlier version does not take for its end."""
    former, moved = await active(stores)
    stored = await stores.leases.swap(moved, former=former)
    read = await stores.leases.get(former.id)
    assert read is not None
    assert (START + timedelta(seconds=600), True, True) == (read.due_at, read.told, read.is_due_early)
    assert [former.id] == [each async for each in stores.leases.due(START + timedelta(seconds=600))]
    new = await stores.leases.swap(stored.end_told(), former=stored)
    assert (new.expires_at, False) == (new.due_at, new.is_due_early)
    ending = await stores.leases.swap(replace(new, role_revoked=True), former=new)
    read = await stores.leases.get(ending.id)
    assert read is not None
    assert read.role_revoked


async def test_an_event_of_no_lease_is_added_once(stores: Kept) -> None:
    """However often: whoever tells of a change to a document may die, and another tell of it again."""
    new = event()
    for _ in range(2):
        await stores.outbox.add(new)
    (found,) = await stores.due(START)
    assert (new.id, shard_of(new.id)) == (found.id, found.shard)


async def test_what_was_published_is_forgotten_whatever_others_have_done(stores: Kept) -> None:
    """Of several shards at once, and although some are gone."""
    for number in range(40):
        await stores.outbox.add(event(n=number))
    found = await stores.due(START)
    await stores.outbox.forget(found[:7])
    await stores.outbox.forget([*found[:7], *found[7:]])
    await stores.outbox.forget([])
    assert (40, []) == (len(found), await stores.due(LATER))


async def test_more_than_a_transaction_holds_is_forgotten_and_moved(stores: Kept) -> None:
    """A hundred operations each."""
    former, moved = await active(stores)
    stored = await stores.leases.swap(moved, former=former, events=[event(n=number) for number in range(60)])
    await stores.leases.swap(stored.end_told(), former=stored, events=[event(n=number) for number in range(60)])
    found = await stores.due(START)
    await stores.outbox.postpone([(each, LATER) for each in found])
    later = await stores.due(LATER)
    assert ([], 120) == (await stores.due(START), len(later))
    assert [each.text for each in found] == [each.text for each in later]
    await stores.outbox.forget(later)
    assert [] == await stores.due(LATER)


async def test_an_event_moves_to_a_later_instant_unless_it_is_gone(stores: Kept) -> None:
    """One that another worker has published meanwhile does not come back."""
    former, moved = await active(stores)
    await stores.leases.swap(moved, former=former, events=[event(), event(), event()])
    gone, *others = await stores.due(START)
    await stores.outbox.forget([gone])
    await stores.outbox.postpone([(each, LATER) for each in (gone, *others)])
    found = await stores.due(LATER)
    assert ([each.id for each in others], {LATER}) == ([each.id for each in found], {each.due_at for each in found})
    assert [] == await stores.due(LATER - timedelta(milliseconds=1))


async def test_two_workers_that_move_the_same_events_keep_each_once(stores: Kept) -> None:
    """To either instant."""
    former, moved = await active(stores)
    await stores.leases.swap(moved, former=former, events=[event(), event()])
    found = await stores.due(START)
    soon = START + timedelta(minutes=1)
    await asyncio.gather(*(stores.outbox.postpone([(each, at) for each in found]) for at in (soon, LATER)))
    assert [each.id for each in found] == [each.id for each in await stores.due(LATER)]


async def test_moving_to_the_same_instant_changes_nothing(stores: Kept) -> None:
    """It is neither lost nor doubled."""
    await stores.outbox.add(event())
    found = await stores.due(START)
    await stores.outbox.postpone([(each, each.due_at) for each in found])
    assert found == await stores.due(START)


async def test_what_waits_is_counted_among_the_leases(stores: Kept) -> None:
    """Only events, with the oldest; and only what is due by then."""
    for number in range(1, 4):
        await active(stores, number)
    assert Waiting() == await stores.outbox.waiting(LATER, 100)
    for minutes in (3, 1, 2):
        await stores.outbox.add(event(START + timedelta(minutes=minutes)))
    assert Waiting(3, START + timedelta(minutes=1)) == await stores.outbox.waiting(LATER, 100)
    assert Waiting(1, START + timedelta(minutes=1)) == await stores.outbox.waiting(START + timedelta(minutes=1), 100)
    assert 2 == (await stores.outbox.waiting(LATER, 2)).count


async def test_a_lease_with_events_is_forgotten_without_them(stores: Kept) -> None:
    """They are published all the same."""
    former, moved = await active(stores)
    new = event()
    stored = await stores.leases.swap(moved, former=former, events=[new])
    await stores.leases.remove(stored)
    assert ([new.id], None) == ([each.id for each in await stores.due(LATER)], await stores.leases.get(former.id))


async def test_how_publishing_went_is_noted(stores: Kept) -> None:
    """The last error, until there is none, and all that was ever dropped."""
    assert Publishing() == (await stores.run_history.noted()).publishing
    await stores.run_history.published(START, last_error="", dropped=0)
    await stores.run_history.published(START, last_error="azure_refused", dropped=2)
    assert Publishing("azure_refused", 2) == (await stores.run_history.noted()).publishing
    await stores.run_history.published(LATER, last_error="", dropped=3)
    assert Publishing("", 5) == (await stores.run_history.noted()).publishing


async def test_a_pool_keeps_that_it_was_told_low(stores: Kept) -> None:
    """Until it is full."""
    await stores.pools.change_filling(WEB, lambda _: Filling(hungry_since=START).told_low())
    assert (await stores.pools.fillings())[WEB].low_told
    await stores.pools.change_filling(WEB, lambda it: it.finished(is_full=True))
    assert not (await stores.pools.fillings())[WEB].low_told


async def test_a_damaged_event_is_found_as_it_is(storage_connection: str) -> None:
    """It is no lease, and whoever publishes it finds that it is no JSON."""
    async with on_tables(storage_connection) as stores, connect(storage_connection) as service:
        await stores.outbox.add(event())
        (found,) = await stores.due(START)
        key = {"PartitionKey": found.shard, "RowKey": f"due_20260302T090000000Z_event_{found.id}"}
        await Table(service, "leases").write([put(key)])
        assert [("", found.id)] == [(each.text, each.id) for each in await stores.due(START)]
        assert [] == [each async for each in stores.leases.due(LATER) if isinstance(each, LeaseId)]
        assert await Table(service, "leases").read(found.shard, key["RowKey"]) is not None
