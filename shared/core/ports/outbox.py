"""The ports to the outbox, in which events wait until they are published, and to whoever publishes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core import ownership
from shared.core.outgoing.event import OutgoingEvent


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event in the outbox, as it is stored.

    ``text`` is JSON, as ``OutgoingEvent.as_document`` has it: it is published as it is, whichever version has written it.
    """

    id: str
    shard: str
    due_at: datetime
    text: str

    @property
    def at(self) -> datetime:
        """When it was written: its id says so."""
        return ownership.instant_of(self.id)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many events wait, and when the oldest of them was written."""

    count: int = 0
    oldest: datetime | None = None


class Outbox(Protocol):
    """The events that wait. Those of leases are written by ``Leases.swap``, and all that are due are found by ``Leases.due``.

    An event is due at an instant, as a lease is. Raises ``Throttled``, ``Unavailable`` or ``Unreachable`` if storage fails.
    """

    async def add(self, event: OutgoingEvent) -> None:
        """Stores an event that tells of no lease's move. It is due at once. Repeating the call changes nothing."""
        ...

    async def forget(self, events: Sequence[WaitingEvent]) -> None:
        """Deletes events. One that is gone is no error."""
        ...

    async def postpone(self, events: Sequence[tuple[WaitingEvent, datetime]]) -> None:
        """Moves each of some events of one shard to a later instant. One that is gone stays so."""
        ...

    async def waiting(self, until: datetime, at_most: int) -> Waiting:
        """Returns what waits and is due by ``until``. Stops counting at ``at_most``."""
        ...


class Publisher(Protocol):
    """Publishes events to a topic."""

    async def publish(self, events: Sequence[str], *, deadline: float) -> None:
        """Publishes a batch, each event as its JSON in the outbox. Repeats what passes by itself until ``deadline``.

        Raises ``Refused`` with status 400 or 413 if the topic takes no such batch, and any other ``Upstream``.
        """
        ...
