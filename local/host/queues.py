"""Queue triggers: messages of Azure Storage queues, taken, run, deleted, retried, and at last set aside as poison.

As the real extension does (https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger): a
message is held for ten minutes at a time while its function runs, made visible again after ``visibilityTimeout`` when
that fails, and moved to ``<queue>-poison`` after ``maxDequeueCount`` attempts. A queue that is not there has no messages.
A queue whose own name ends with ``-poison`` has none: what fails there stays hidden for its ten minutes, and comes again.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.host import worker

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage

    from local.host.invocations import Invocations
    from local.host.options import AppSettings, QueueOptions
    from local.host.worker import Function

_HOLD = 600
"""Seconds for which a message stays invisible; renewed at half time."""
_SHORTEST_POLL = 0.1
_POISON = "-poison"
_LARGEST_BATCH = 32
"""Azure gives at most so many messages at once: https://learn.microsoft.com/rest/api/storageservices/get-messages"""
_log = logging.getLogger("local.host")
_polls = logging.getLogger("local.host.polls")
"""The storage client writes a page about each request at INFO; polling would drown all else in it."""
_polls.setLevel(logging.WARNING)


class _Verdict(Enum):
    """What becomes of a message."""

    DONE = "done"
    AGAIN = "again"
    POISON = "poison"


@dataclass(slots=True)
class Queue:
    """One queue trigger: polls, and runs messages side by side up to ``batchSize`` plus ``newBatchThreshold``."""

    function: Function
    name: str
    client: QueueClient
    poison: QueueClient
    options: QueueOptions
    invocations: Invocations
    _handling: set[asyncio.Task[None]] = field(default_factory=set)
    _fault: str = ""

    async def serve(self) -> None:
        """Polls until cancelled; messages already taken run on."""
        wait = _SHORTEST_POLL
        longest = self.options.max_polling_interval.total_seconds()
        while True:
            messages = await self._receive()
            for message in messages:
                self._begin(message)
            wait = _SHORTEST_POLL if messages else min(wait * 2, longest)
            if not messages:
                await asyncio.sleep(wait)
            await self._room()

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()
        await self.poison.close()

    async def _receive(self) -> list[QueueMessage]:
        batch = min(self.options.batch_size, _LARGEST_BATCH)
        try:
            pages = self.client.receive_messages(messages_per_page=batch, max_messages=batch, visibility_timeout=_HOLD)
            return [message async for message in pages]
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            self._complain(str(error))
            return []

    def _complain(self, fault: str) -> None:
        """Says once what is wrong, however often it is met."""
        if fault != self._fault:
            _log.warning("queue %s cannot be polled: %s", self.name, fault)
        self._fault = fault

    def _begin(self, message: QueueMessage) -> None:
        task = self.invocations.track(self._handle(message))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _room(self) -> None:
        while len(self._handling) > self.options.new_batch_threshold:
            await asyncio.wait(self._handling, return_when=asyncio.FIRST_COMPLETED)

    async def _handle(self, message: QueueMessage) -> None:
        try:
            await self._settle(message, await self._run(message))
        except AzureError:
            _log.exception("queue %s: message %s could not be settled and will come again", self.name, message.id)

    async def _run(self, message: QueueMessage) -> _Verdict:
        attempts = message.dequeue_count or 1
        if attempts > self.options.max_dequeue_count and not self.name.endswith(_POISON):
            return _Verdict.POISON
        try:
            body = self._decoded(message.content)
        except ValueError:
            _log.error("queue %s: message %s is not UTF-8 text in base64", self.name, message.id)
            return _Verdict.POISON
        async with self._held(message):
            outcome = await self.invocations.run(self.function, worker.text(body), _metadata(message, body))
        if outcome.ok:
            return _Verdict.DONE
        return _Verdict.AGAIN if attempts < self.options.max_dequeue_count else _Verdict.POISON

    def _decoded(self, content: str) -> str:
        return base64.b64decode(content, validate=True).decode() if self.options.base64 else content

    async def _settle(self, message: QueueMessage, verdict: _Verdict) -> None:
        """Deletes what went well, gives back what may be tried again, sets the rest aside."""
        if verdict is not _Verdict.DONE and self.name.endswith(_POISON):
            _log.error("queue %s: message %s failed, and has nowhere to go", self.name, message.id)
            return
        if verdict is _Verdict.AGAIN:
            hidden = int(self.options.visibility_timeout.total_seconds())
            await self.client.update_message(message, visibility_timeout=hidden)
            return
        if verdict is _Verdict.POISON:
            _log.error("queue %s: message %s goes to %s-poison", self.name, message.id, self.name)
            await self._move_to_poison(message)
        await self.client.delete_message(message)

    async def _move_to_poison(self, message: QueueMessage) -> None:
        with contextlib.suppress(ResourceExistsError):
            await self.poison.create_queue()
        await self.poison.send_message(message.content)

    @contextlib.asynccontextmanager
    async def _held(self, message: QueueMessage) -> AsyncIterator[None]:
        holding = asyncio.create_task(self._keep(message))
        try:
            yield
        finally:
            holding.cancel()
            await asyncio.wait({holding})

    async def _keep(self, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(_HOLD / 2)
            renewed = await self.client.update_message(message, visibility_timeout=_HOLD)
            message.pop_receipt = renewed.pop_receipt


def queue(function: Function, settings: AppSettings, options: QueueOptions, invocations: Invocations) -> Queue:
    """Reads a queue trigger's binding. Raises ``UnusableAppError`` when a setting that it names is not there."""
    where = f"function {function.name}"
    name = settings.resolve(function.trigger["queueName"], where)
    connection = settings.connection_string(function.trigger.get("connection") or "Storage", where)
    client, poison = (
        QueueClient.from_connection_string(connection, each, retry_total=0, logger=_polls)
        for each in (name, f"{name}{_POISON}")
    )
    return Queue(function, name, client, poison, options, invocations)


def trial(body: str) -> tuple[Any, Mapping[str, Any]]:
    """What a function gets when it is run by hand: a message that was never in a queue."""
    return worker.text(body), {"Id": worker.text("by-hand"), "DequeueCount": worker.text("1")}


def _metadata(message: QueueMessage, body: str) -> dict[str, Any]:
    values = {
        "QueueTrigger": body,
        "Id": message.id,
        "DequeueCount": str(message.dequeue_count),
        "InsertionTime": _text(message.inserted_on),
        "ExpirationTime": _text(message.expires_on),
        "NextVisibleTime": _text(message.next_visible_on),
        "PopReceipt": message.pop_receipt,
    }
    return {name: worker.text(value) for name, value in values.items() if value}


def _text(instant: dt.datetime | None) -> str:
    return instant.isoformat() if instant else ""
