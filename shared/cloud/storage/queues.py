"""The queues on Azure Queue Storage. Satisfies the protocols of ``shared.core.ports.queue``.

The broker puts messages in. The Functions host takes them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.cloud.repeating import STORAGE, Repeating
from shared.cloud.storage.tables import translated
from shared.core.events.event import Event, encoded
from shared.core.message import (
    EVENTS,
    EVENTS_ASIDE,
    FILLINGS,
    PREPARATIONS,
    QUEUE,
    WAITS,
    Batch,
    Message,
    text_of,
    write_message,
    write_preparation,
    write_refill,
    write_succession,
)
from shared.core.names import LeaseId, RoleName
from shared.core.ports.queue import Aside

_HEAD_START = 2
"""Seconds until a message can be taken: its marker is written by then."""
_REFILL = timedelta(seconds=60)
"""A message that a pool is to be filled is of no use later: the timer fills pools each minute."""
_EVENT = timedelta(days=7)
_AT_ONCE: Final = 32
"""https://learn.microsoft.com/rest/api/storageservices/get-messages"""
_TAKEN: Final = 60
"""Seconds until what was taken and not deleted is seen again."""
_PAUSES: Final[dict[str, Any]] = {"initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
"""Seconds. By default the library waits for fifteen seconds and more. A message that is sent twice is harmless."""


class _Decoded(TextBase64DecodePolicy):
    """What is not in base64 is read as it is. The library's own policy would then give no message of the answer."""

    def decode(self, content: str, response: object) -> str:  # noqa: ARG002 - the library gives it
        """See ``text_of``."""
        return text_of(content.encode())


def connect(
    connection_string: str = "",
    *,
    queue: str = QUEUE,
    endpoint: str = "",
    credential: AsyncTokenCredential | None = None,
    transport: AsyncHttpTransport[Any, Any],
    retry_total: int = 3,
) -> QueueClient:
    """Returns a client for a connection string (the emulator's), or for an endpoint and an identity.

    The client connects at its first call.
    """
    options: dict[str, Any] = {
        "message_encode_policy": TextBase64EncodePolicy(),
        "message_decode_policy": _Decoded(),
        "transport": transport,
        "retry_total": retry_total,
        **_PAUSES,
    }
    if connection_string:
        return QueueClient.from_connection_string(connection_string, queue, **options)
    if credential is not None:
        options["transport"] = Repeating(credential, STORAGE).over(transport)
    return QueueClient(endpoint, queue, credential, **options)


class StorageRevocations:
    """See the module. The client is for the queue ``QUEUE``."""

    queue = QUEUE

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def send(self, message: Message) -> None:
        """Makes one request. If the queue is missing, makes the queue first. Raises ``Upstream`` if storage fails."""
        hidden = _HEAD_START if isinstance(message, Batch) else 0
        await _send(self._client, write_message(message), WAITS, hidden=hidden)


class StoragePreparations:
    """See the module. The client is for the queue ``PREPARATIONS``."""

    queue = PREPARATIONS

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def send(self, lease_id: LeaseId, *, lives: timedelta) -> None:
        """As ``StorageRevocations.send``."""
        await _send(self._client, write_preparation(lease_id), lives)


class StorageFillings(StoragePreparations):
    """See the module. The client is for the queue ``FILLINGS``."""

    queue = FILLINGS

    async def refill(self, role: RoleName) -> None:
        """As ``StorageRevocations.send``."""
        await _send(self._client, write_refill(role), _REFILL)

    async def succeed(self, lease_id: LeaseId, *, lives: timedelta) -> None:
        """As ``StorageRevocations.send``."""
        await _send(self._client, write_succession(lease_id), lives)


class StorageEvents:
    """Satisfies ``EventsQueue``. The clients are for the queues ``EVENTS`` and ``EVENTS_ASIDE``."""

    queue, aside = EVENTS, EVENTS_ASIDE

    def __init__(self, client: QueueClient, aside: QueueClient) -> None:
        self._client, self._aside = client, aside

    async def send(self, event: Event, *, hidden: timedelta = timedelta(0)) -> None:
        """As ``StorageRevocations.send``."""
        await _send(self._client, encoded(event), _EVENT, hidden=int(hidden.total_seconds()))

    async def put_aside(self, event: Event) -> None:
        """As ``StorageRevocations.send``."""
        await _send(self._aside, encoded(event), _EVENT)

    async def take_aside(self, most: int) -> Sequence[Aside]:
        """Makes one request."""
        try:
            pages = self._aside.receive_messages(
                messages_per_page=min(most, _AT_ONCE), max_messages=min(most, _AT_ONCE), visibility_timeout=_TAKEN
            )
            return [Aside(str(each.content), each) async for each in pages]
        except ResourceNotFoundError:
            return ()
        except AzureError as error:
            raise translated(error, "queue storage") from error

    async def forget_aside(self, aside: Aside) -> None:
        """Makes one request."""
        try:
            with suppress(ResourceNotFoundError):
                await self._aside.delete_message(aside.receipt)
        except AzureError as error:
            raise translated(error, "queue storage") from error

    async def count_aside(self) -> int:
        """Makes one request."""
        try:
            found = await self._aside.get_queue_properties()
        except ResourceNotFoundError:
            return 0
        except AzureError as error:
            raise translated(error, "queue storage") from error
        return found.approximate_message_count or 0


async def _send(client: QueueClient, text: str, lives: timedelta, *, hidden: int = 0) -> None:
    seconds = max(1, int(lives.total_seconds()))
    try:
        try:
            await client.send_message(text, visibility_timeout=hidden, time_to_live=seconds)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):
                await client.create_queue()
            await client.send_message(text, visibility_timeout=hidden, time_to_live=seconds)
    except AzureError as error:
        raise translated(error, "queue storage") from error
