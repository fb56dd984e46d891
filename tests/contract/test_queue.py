"""The queue and who waits in it, in memory and on Azure Storage."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from shared.cloud.connections import azure_transport
from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
from shared.cloud.storage.queues import StorageFillings, StoragePreparations, StorageRevocations, connect
from shared.cloud.storage.table_rest import Tables
from shared.core.errors import Refused, Unreachable
from shared.core.message import FILLINGS, PREPARATIONS, QUEUE, WAITS, Batch, Succession, read_message, read_preparation
from shared.core.names import LeaseId, RoleName
from shared.core.ports.queue import QueuedMarkers
from tests.contract.stores import LossyLine
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.queue import MemoryQueuedMarkers
from tests.fakes.world import WEB

LATER = START + timedelta(minutes=30)


def batch(number: int = 1, size: int = 2) -> Batch:
    """So many leases; the number tells batches apart."""
    leases = tuple(LeaseId.of(WEB, f"{number:013d}{each:013d}") for each in range(size))
    return Batch(FixedIds(number).guid(), leases)


@pytest.fixture
async def queued_markers(connection: str | None) -> AsyncIterator[QueuedMarkers]:
    """Each test runs on the fake and on Table storage."""
    if connection is None:
        yield MemoryQueuedMarkers(Calls(FakeClock()))
        return
    transport = azure_transport()
    async with Tables.from_connection_string(connection, transport=transport) as service:
        yield TableQueuedMarkers(service)


async def test_nobody_waits_at_first(queued_markers: QueuedMarkers) -> None:
    """Nor does it matter that the table is not there."""
    assert frozenset() == await queued_markers.waiting(START)


async def test_who_was_noted_waits(queued_markers: QueuedMarkers) -> None:
    """Until its instant, exclusively."""
    await queued_markers.note(batch(1), LATER)
    await queued_markers.note(batch(2), LATER + timedelta(seconds=1))
    assert {*batch(1).leases, *batch(2).leases} == await queued_markers.waiting(LATER - timedelta(milliseconds=1))
    assert {*batch(2).leases} == await queued_markers.waiting(LATER)


async def test_what_has_lapsed_is_forgotten_by_whoever_looks(queued_markers: QueuedMarkers) -> None:
    """It does not come back when the clock does."""
    await queued_markers.note(batch(), LATER)
    await queued_markers.waiting(LATER)
    assert frozenset() == await queued_markers.waiting(START)


async def test_noting_twice_is_noting_once(queued_markers: QueuedMarkers) -> None:
    """The first instant stays."""
    await queued_markers.note(batch(), LATER)
    await queued_markers.note(batch(), LATER + timedelta(hours=1))
    assert frozenset() == await queued_markers.waiting(LATER)


async def test_forgetting_what_is_not_there_is_no_error(queued_markers: QueuedMarkers) -> None:
    """Neither is doing it twice."""
    await queued_markers.forget(batch(1).id)
    await queued_markers.note(batch(1), LATER)
    await queued_markers.note(batch(2), LATER)
    await queued_markers.forget(batch(1).id)
    await queued_markers.forget(batch(1).id)
    assert {*batch(2).leases} == await queued_markers.waiting(START)


@dataclass(slots=True)
class QueueOverAWire:
    """The queue as the broker knows it, as the host does, and the wire in between."""

    revocations: StorageRevocations
    queue: QueueClient
    wire: LossyLine

    async def messages(self) -> list[QueueMessage]:
        """What can be taken now, undecoded."""
        return [message async for message in self.queue.receive_messages(visibility_timeout=1)]


@asynccontextmanager
async def line(connection: str) -> AsyncIterator[QueueOverAWire]:
    """With that connection string."""
    wire = LossyLine()
    client = connect(connection, transport=wire)
    async with client, QueueClient.from_connection_string(connection, QUEUE, transport=AioHttpTransport()) as queue:
        yield QueueOverAWire(StorageRevocations(client), queue, wire)


async def test_a_message_is_what_the_host_expects(storage_connection: str) -> None:
    """In base64; in a queue that is made when it is missed; taken after its head start, gone in time."""
    async with line(storage_connection) as on:
        await on.revocations.send(batch(size=16))
        assert [] == await on.messages()
        await asyncio.sleep(2.1)
        (message,) = await on.messages()
        assert batch(size=16) == read_message(base64.b64decode(message.content, validate=True).decode())
        assert message.expires_on is not None
        assert message.inserted_on is not None
        assert WAITS == message.expires_on - message.inserted_on


async def test_many_can_be_sent_at_once_to_a_queue_that_is_not_there(storage_connection: str) -> None:
    """Whoever makes it second finds it made."""
    async with line(storage_connection) as on:
        await asyncio.gather(*(on.revocations.send(batch(number)) for number in range(1, 9)))
        assert 8 == (await on.queue.get_queue_properties()).approximate_message_count


async def test_a_message_whose_answer_was_lost_is_sent_again(storage_connection: str) -> None:
    """Twice the same is harmless, none would be a delay."""
    async with line(storage_connection) as on:
        await on.revocations.send(batch(1))
        on.wire.losing = True
        await on.revocations.send(batch(2))
        assert 3 == (await on.queue.get_queue_properties()).approximate_message_count


async def test_a_queue_that_does_not_answer_is_unreachable(storage_connection: str) -> None:
    """As the broker says it."""
    nowhere = storage_connection.partition("QueueEndpoint=")[0] + "QueueEndpoint=http://127.0.0.1:1/nobody;"
    async with connect(nowhere, transport=azure_transport(), retry_total=0) as client:
        with pytest.raises(Unreachable, match="queue storage"):
            await StorageRevocations(client).send(batch())


async def test_a_key_that_does_not_fit_is_a_refusal(storage_connection: str) -> None:
    """Not something to wait for."""
    name, _, rest = storage_connection.partition("AccountKey=")
    wrong = f"{name}AccountKey={base64.b64encode(b'wrong').decode()};{rest.partition(';')[2]}"
    transport = azure_transport()
    async with connect(wrong, transport=transport) as client:
        with pytest.raises(Refused):
            await StorageRevocations(client).send(batch())


@asynccontextmanager
async def receiving(storage_connection: str, name: str) -> AsyncIterator[tuple[QueueClient, list[tuple[object, timedelta]]]]:
    """The client that sends to this queue. Afterwards the list has what is read there, in base64, and how long it lives."""
    found: list[tuple[object, timedelta]] = []
    async with (
        connect(storage_connection, queue=name, transport=azure_transport()) as client,
        QueueClient.from_connection_string(storage_connection, name, transport=AioHttpTransport()) as queue,
    ):
        yield client, found
        async for message in queue.receive_messages(visibility_timeout=1):
            assert message.expires_on is not None
            assert message.inserted_on is not None
            read = read_preparation(base64.b64decode(message.content, validate=True).decode())
            found.append((read, message.expires_on - message.inserted_on))


async def test_a_preparation_is_what_the_host_expects(storage_connection: str) -> None:
    """In a queue of its own; there at once, and gone when there is no more time for it."""
    lease_id = batch().leases[0]
    async with receiving(storage_connection, PREPARATIONS) as (client, messages):
        await StoragePreparations(client).send(lease_id, lives=timedelta(seconds=90))
    assert [(lease_id, timedelta(seconds=90))] == messages


async def test_a_queue_of_preparations_that_does_not_answer_is_unreachable(storage_connection: str) -> None:
    """As the other one: the sweep sends the message again."""
    nowhere = storage_connection.partition("QueueEndpoint=")[0] + "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;"
    client = connect(nowhere, queue=PREPARATIONS, transport=azure_transport(), retry_total=0)
    async with client:
        with pytest.raises(Unreachable):
            await StoragePreparations(client).send(batch().leases[0], lives=timedelta(seconds=90))


async def test_a_message_about_a_pool_waits_in_a_queue_of_its_own(storage_connection: str) -> None:
    """For a minute: the timer fills pools anyway."""
    async with receiving(storage_connection, FILLINGS) as (client, messages):
        await StorageFillings(client).refill(RoleName("web"))
    assert [(RoleName("web"), timedelta(seconds=60))] == messages


async def test_a_message_that_asks_for_a_successor_waits_in_the_same_queue(storage_connection: str) -> None:
    """For as long as it says: then the sweep asks again."""
    lease_id = batch().leases[0]
    async with receiving(storage_connection, FILLINGS) as (client, messages):
        await StorageFillings(client).succeed(lease_id, lives=timedelta(seconds=90))
    assert [(Succession(lease_id), timedelta(seconds=90))] == messages
