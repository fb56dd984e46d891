from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from tests.local.host.hosting import DEADLINE, QUEUE, hosting, said, wrote


@contextlib.asynccontextmanager
async def _queue(connection: str, name: str = QUEUE) -> AsyncIterator[QueueClient]:
    async with QueueClient.from_connection_string(connection, name) as client:
        yield client


async def _send(client: QueueClient, *bodies: str) -> None:
    await client.create_queue()
    for body in bodies:
        await client.send_message(base64.b64encode(body.encode()).decode())


async def _poisoned(client: QueueClient) -> list[str]:
    """The messages of a poison queue, once it is there."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(ResourceNotFoundError):
                if found := [message.content async for message in client.receive_messages()]:
                    return found
            await asyncio.sleep(0.05)


async def _emptied(client: QueueClient) -> int:
    """Waits until the queue, hidden messages included, holds none."""
    async with asyncio.timeout(DEADLINE):
        while (await client.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110 - the service has no events
            await asyncio.sleep(0.05)
    return 0


def _took(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if "took" in line]


async def test_a_message_runs_its_function_with_its_metadata(storage_connection: str) -> None:
    """Text, attempt, instants and receipt arrive with it."""
    async with _queue(storage_connection) as queue, hosting(storage_connection) as host:
        await _send(queue, "grüße")
        (taken,) = _took(await said(host, 2))
        del taken["id"]
        assert {"took": "grüße", "attempt": 1, "dated": True, "receipt": True} == taken


async def test_a_message_is_gone_once_its_function_succeeded(storage_connection: str) -> None:
    """It is deleted, not merely hidden."""
    async with _queue(storage_connection) as queue, hosting(storage_connection) as host:
        await _send(queue, "one", "two", "three")
        assert {"one", "two", "three"} == {each["took"] for each in _took(await said(host, 4))}
        assert await _emptied(queue) == 0


async def test_a_message_that_keeps_failing_ends_in_the_poison_queue(storage_connection: str) -> None:
    """After ``maxDequeueCount`` attempts, here two, it is set aside as it was sent."""
    async with (
        _queue(storage_connection) as queue,
        _queue(storage_connection, f"{QUEUE}-poison") as poison,
        hosting(storage_connection) as host,
    ):
        await _send(queue, "fail")
        found = await _poisoned(poison)
        attempts = [each["attempt"] for each in _took(await said(host, 3))]
        assert ([base64.b64encode(b"fail").decode()], [1, 2], 0) == (found, attempts, await _emptied(queue))


async def test_what_fails_in_a_poison_queue_stays_there_hidden(storage_connection: str) -> None:
    """There is no poison of poison: the message is neither set aside nor deleted."""
    name = f"{QUEUE}-poison"
    async with (
        _queue(storage_connection, name) as queue,
        _queue(storage_connection, f"{name}-poison") as further,
        hosting(storage_connection, QUEUE=name) as host,
    ):
        await _send(queue, "fail")
        await wrote(host, "has nowhere to go")
        assert (await queue.get_queue_properties()).approximate_message_count == 1
        assert [] == [message async for message in queue.receive_messages()]
        with pytest.raises(ResourceNotFoundError):
            await further.get_queue_properties()


async def test_a_message_that_cannot_be_decoded_is_poison_at_once(storage_connection: str) -> None:
    """host.json says base64; a function never sees what is not."""
    async with (
        _queue(storage_connection) as queue,
        _queue(storage_connection, f"{QUEUE}-poison") as poison,
        hosting(storage_connection) as host,
    ):
        await queue.create_queue()
        await queue.send_message("not base64!")
        assert (["not base64!"], []) == (await _poisoned(poison), _took(await said(host, 1)))


async def test_a_message_taken_by_a_host_that_was_killed_comes_again(storage_connection: str) -> None:
    """It is hidden, not lost: whoever sees it next finds it dequeued once already."""
    async with _queue(storage_connection) as queue:
        await _send(queue, "first")
        (taken,) = [message async for message in queue.receive_messages(visibility_timeout=1)]
        async with hosting(storage_connection) as host:
            (again,) = _took(await said(host, 2))
        assert (taken.id, 2) == (again["id"], again["attempt"])


@pytest.mark.parametrize(
    "connection", ["DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;QueueEndpoint=http://127.0.0.1:1/a"]
)
async def test_storage_that_is_away_is_complained_of_and_survived(connection: str) -> None:
    """The host stays up; timers and HTTP do not depend on the queue."""
    async with hosting(connection) as host:
        await wrote(host, f"queue {QUEUE} cannot be polled")
        assert host.child.running
