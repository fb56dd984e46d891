"""What event rules have issued, the counts of events, and the queues: in memory, and on Azurite."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue.aio import QueueClient

from shared.cloud.connections import azure_transport
from shared.cloud.storage.event_count_table import TableEventCounts
from shared.cloud.storage.holder_resource_table import TableHolderResources
from shared.cloud.storage.queues import StorageEvents, connect
from shared.cloud.storage.rule_lease_table import TableRuleLeases
from shared.cloud.storage.tables import connect as connect_tables
from shared.core.errors import LostRace, Unreachable
from shared.core.events.event import decoded
from shared.core.events.holder_resource import HolderResource
from shared.core.events.rule_lease import RuleLease
from shared.core.message import EVENTS, EVENTS_ASIDE
from shared.core.names import LeaseId, ObjectId
from shared.core.ports.event_counts import Counted, EventCounts
from shared.core.ports.holder_resources import HolderResources
from shared.core.ports.queue import EventsQueue
from shared.core.ports.rule_leases import RuleLeases
from tests.broker.events.scenes import APP, OTHER_APP, SITE, event
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock
from tests.fakes.events import MemoryEventCounts, MemoryEvents
from tests.fakes.holder_resources import MemoryHolderResources
from tests.fakes.rule_leases import MemoryRuleLeases
from tests.fakes.world import guid


@dataclass(frozen=True, slots=True)
class Stores:
    """One implementation of each port."""

    records: RuleLeases
    counts: EventCounts
    queue: EventsQueue
    holders: HolderResources


@asynccontextmanager
async def on_azurite(connection: str) -> AsyncIterator[Stores]:
    """The product's."""
    clients = [connect(connection, queue=name, transport=azure_transport()) for name in (EVENTS, EVENTS_ASIDE)]
    async with connect_tables(connection) as service, clients[0], clients[1]:
        yield Stores(
            TableRuleLeases(service), TableEventCounts(service), StorageEvents(*clients), TableHolderResources(service)
        )


@pytest.fixture
async def stores(connection: str | None) -> AsyncIterator[Stores]:
    """Each test runs on the fakes and on Azurite."""
    if connection is None:
        calls = Calls(FakeClock())
        yield Stores(MemoryRuleLeases(calls), MemoryEventCounts(calls), MemoryEvents(calls), MemoryHolderResources(calls))
        return
    async with on_azurite(connection) as made:
        yield made


RECORD = RuleLease("sites", SITE, APP, LeaseId("jit.00000000000000000000000001"), START, of_subject=True)
OTHERS = LeaseId("jit.00000000000000000000000002")


async def test_a_record_is_found_by_its_rule_and_replaced_by_its_version(stores: Stores) -> None:
    """Whoever comes second learns of it. The case of a subject does not matter."""
    records = stores.records
    assert () == tuple(await records.of_rule("sites"))
    first = await records.put(RECORD)
    for late in (RECORD, replace(RECORD, subject=SITE.upper()), replace(RECORD, version='W/"x"')):
        with pytest.raises(LostRace):
            await records.put(late)
    second = await records.put(first.replaced(OTHERS, START + timedelta(minutes=5), [RECORD.lease_id]))
    assert ((START,), OTHERS, (OTHERS, RECORD.lease_id)) == (second.former, second.lease_id, second.leases)
    assert (second,) == tuple(await records.of_rule("sites"))
    with pytest.raises(LostRace):
        await records.remove(first)
    await records.remove(second)
    await records.remove(second)
    assert () == tuple(await records.of_rule("sites"))


async def test_each_rule_has_its_own_records(stores: Stores) -> None:
    """One whose name begins alike as well; all of them are found together."""
    wanted = [RECORD, replace(RECORD, holder=OTHER_APP), replace(RECORD, rule="sites-2"), replace(RECORD, subject=f"{SITE}2")]
    for each in wanted:
        await stores.records.put(each)
    assert [3, 1, 0] == [len(await stores.records.of_rule(name)) for name in ("sites", "sites-2", "site")]
    assert 4 == len([each async for each in stores.records.everything()])


async def test_what_a_resources_identities_are_is_found_by_what_it_lies_in(stores: Stores) -> None:
    """Itself, and what lies in it, whatever the case. A resource whose name only begins alike is another one."""
    holders = stores.holders
    wanted = {SITE: APP, f"{SITE}/slots/a": OTHER_APP, f"{SITE}2": guid(0x905), "": guid(0x906)}
    for resource, holder in wanted.items():
        await holders.note(HolderResource(holder, resource, START))

    async def found(resource: str) -> set[ObjectId]:
        return {each.holder for each in await holders.at_or_below(resource)}

    assert [{APP, OTHER_APP}, {OTHER_APP}, {guid(0x905)}, set()] == [
        await found(each) for each in (SITE.upper(), f"{SITE}/slots/a", f"{SITE}2", f"{SITE}3")
    ]
    assert wanted == {each.resource: each.holder async for each in holders.everything()}


async def test_a_holder_that_was_noted_again_is_not_forgotten(stores: Stores) -> None:
    """Whoever forgets it has read an older version. One that is gone is no error."""
    record = HolderResource(APP, SITE, START)
    await stores.holders.note(record)
    (former,) = await stores.holders.at_or_below(SITE)
    await stores.holders.note(replace(record, at=START + timedelta(hours=1)))
    with pytest.raises(LostRace):
        await stores.holders.forget(former)
    (present,) = await stores.holders.at_or_below(SITE)
    assert START + timedelta(hours=1) == present.at
    await stores.holders.forget(present)
    await stores.holders.forget(present)
    assert () == tuple(await stores.holders.at_or_below(SITE))


async def test_a_denial_is_noted_and_forgotten(stores: Stores) -> None:
    """It is no record of a lease."""
    assert await stores.records.denied_since("sites") is None
    await stores.records.note_denied("sites", START)
    assert (START, ()) == (await stores.records.denied_since("sites"), tuple(await stores.records.of_rule("sites")))
    await stores.records.note_denied("sites", None)
    assert await stores.records.denied_since("sites") is None


async def test_counts_only_grow(stores: Stores) -> None:
    """Whoever counts at the same time."""
    await asyncio.gather(*(stores.counts.add(Counted.OWN) for _ in range(20)), stores.counts.add(Counted.DROPPED, 7))
    found = await stores.counts.read()
    assert (20, 7, 0) == (found[Counted.OWN], found[Counted.DROPPED], found.get(Counted.DELAYED, 0))


async def test_what_was_given_up_is_taken_and_forgotten(stores: Stores) -> None:
    """None is there at first. What was taken comes again unless it is forgotten."""
    queue = stores.queue
    assert (0, 0) == (await queue.count_aside(), len(await queue.take_aside(1000)))
    for number in range(3):
        await queue.put_aside(event(at=START, id=f"é-{number}"))
    assert 3 == await queue.count_aside()
    taken = await queue.take_aside(1000)
    assert {"é-0", "é-1", "é-2"} == {decoded(each.text, START).id for each in taken}
    for each in taken:
        await queue.forget_aside(each)
        await queue.forget_aside(each)
    assert 0 == await queue.count_aside()


async def test_what_somebody_has_set_aside_by_hand_holds_nothing_back(storage_connection: str) -> None:
    """It is taken as it is, in base64 or not."""
    async with (
        on_azurite(storage_connection) as made,
        QueueClient.from_connection_string(storage_connection, EVENTS_ASIDE, transport=AioHttpTransport()) as queue,
    ):
        await made.queue.put_aside(event(at=START))
        for text in ("no base64 !!", "//4g", "{}"):
            await queue.send_message(text)
        taken = await made.queue.take_aside(32)
        assert ["no base64 !!", "{}", "\ufffd\ufffd "] == sorted(each.text for each in taken if '"v"' not in each.text)
        for each in taken:
            await made.queue.forget_aside(each)
        assert (4, 0) == (len(taken), await made.queue.count_aside())


async def test_an_event_is_what_the_host_expects(storage_connection: str) -> None:
    """In base64, for seven days, hidden as long as it must wait, and at most 8 KiB."""
    async with (
        on_azurite(storage_connection) as made,
        QueueClient.from_connection_string(storage_connection, EVENTS, transport=AioHttpTransport()) as queue,
    ):
        await made.queue.send(event(at=START))
        await made.queue.send(event(at=START, id="later"), hidden=timedelta(seconds=600))
        (message,) = [each async for each in queue.receive_messages(visibility_timeout=1)]
    text = base64.b64decode(message.content, validate=True).decode()
    assert event(at=START) == decoded(text, START)
    assert message.expires_on is not None
    assert message.inserted_on is not None
    assert timedelta(days=7) == message.expires_on - message.inserted_on


async def test_a_queue_that_does_not_answer_is_unreachable(storage_connection: str) -> None:
    """Every call says so."""
    nowhere = storage_connection.partition("QueueEndpoint=")[0] + "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;"
    clients = [connect(nowhere, queue=name, transport=azure_transport(), retry_total=0) for name in (EVENTS, EVENTS_ASIDE)]
    async with clients[0], clients[1]:
        queue = StorageEvents(*clients)
        for call in (queue.send(event(at=START)), queue.put_aside(event(at=START)), queue.take_aside(3), queue.count_aside()):
            with pytest.raises(Unreachable):
                await call
