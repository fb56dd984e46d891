"""The connections by which events leave: to webhooks at loopback, and to the queues of the stack's storage account."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import httpx
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue.aio import QueueClient

from local.cloud.event_grid.destinations import Answer
from local.cloud.event_grid.schedule import ANSWERS_WITHIN

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure

_KEPT_FOR = 7 * 86400
"""Seconds that a message stays in its queue: https://learn.microsoft.com/azure/event-grid/handler-storage-queues"""
_quiet = logging.getLogger("local.cloud.event_grid.queues")
"""The storage client writes a page about each request at INFO; deliveries would drown all else in it."""
_quiet.setLevel(logging.WARNING)


@dataclass(slots=True)
class Connections:
    """Opened when they are first needed, and kept."""

    world: LocalAzure
    _http: httpx.AsyncClient = field(init=False)
    _queues: dict[tuple[str, str], QueueClient] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        """Opens none yet."""
        self._http = httpx.AsyncClient(timeout=ANSWERS_WITHIN, trust_env=False, verify=False)  # noqa: S501 - plain http alone
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes all."""
        await self._http.aclose()
        for queue in self._queues.values():
            await queue.close()

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Calls a webhook; a redirection is not followed."""
        try:
            reply = await self._http.request(method, url, headers=dict(headers), content=body)
        except httpx.HTTPError:
            return Answer(None)
        return Answer(reply.status_code, {name.lower(): value for name, value in reply.headers.items()}, reply.content)

    async def enqueue(self, queue: str, text: str) -> Answer:
        """One request, never repeated; without a storage account none, as if nobody answered."""
        if not self.world.storage:
            return Answer(None)
        try:
            await self._queue(queue).send_message(text, time_to_live=_KEPT_FOR)
        except HttpResponseError as refused:
            return Answer(refused.status_code)
        except AzureError:
            return Answer(None)
        return Answer(201)

    def _queue(self, name: str) -> QueueClient:
        key = (self.world.storage, name)
        if key not in self._queues:
            self._queues[key] = QueueClient.from_connection_string(
                *key, retry_total=0, read_timeout=ANSWERS_WITHIN, logger=_quiet
            )
        return self._queues[key]
