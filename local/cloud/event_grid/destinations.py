"""What Event Grid needs of the world beyond the local cloud: webhooks and queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination said. ``None`` as status: nothing, within its time."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name, in lower case."""
    body: bytes = b""


class Destinations(Protocol):
    """Where deliveries go. Neither call raises for what the other side does."""

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Calls a webhook."""
        ...

    async def enqueue(self, queue: str, text: str) -> Answer:
        """Puts a message into a queue, and says with which status that ended."""
        ...
