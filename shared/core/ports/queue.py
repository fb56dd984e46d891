"""The ports to the queues: leases that are to end, with markers of those that wait; leases to prepare; pools to fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.core.events.event import Event
from shared.core.message import Batch, Message
from shared.core.names import LeaseId, RoleName


class Revocations(Protocol):
    """The queue of leases that are to end. A message may be delivered never, late, or more than once."""

    async def send(self, message: Message) -> None:
        """Puts one message on the queue. Raises ``Throttled``, ``Unavailable`` or ``Unreachable`` if storage fails."""
        ...


class Preparations(Protocol):
    """The queue of leases that a worker prepares while nobody waits. A message may be delivered never, late, or repeatedly."""

    async def send(self, lease_id: LeaseId, *, lives: timedelta) -> None:
        """Puts one message on the queue, which is dropped unless it is taken within ``lives``. Raises as ``Revocations``."""
        ...


class Fillings(Preparations, Protocol):
    """The same, of leases for pools, and of successors that event rules issue. Nobody has asked for them, so they do not wait
    in one queue with callers' leases.
    """

    async def refill(self, role: RoleName) -> None:
        """Puts a message on the queue that asks for the role's pool to be filled. It lives for a minute. Raises as ``send``."""
        ...

    async def succeed(self, lease_id: LeaseId, *, lives: timedelta) -> None:
        """Puts a message on the queue that asks for the lease's successor. Otherwise as ``send``."""
        ...


@dataclass(frozen=True, slots=True)
class Aside:
    """An event that was given up. ``receipt`` is what the queue takes it back by."""

    text: str
    receipt: Any


class EventsQueue(Protocol):
    """The queue of events from outside, and the queue of those that were given up. Every method raises as ``Revocations``."""

    async def send(self, event: Event, *, hidden: timedelta = timedelta(0)) -> None:
        """Puts the event on the queue. Nobody sees it before ``hidden`` has passed."""
        ...

    async def put_aside(self, event: Event) -> None:
        """Puts the event among those that were given up, for seven days."""
        ...

    async def take_aside(self, most: int) -> Sequence[Aside]:
        """Takes up to ``most`` of the events that were given up, 32 at most. Nobody else sees them for a minute."""
        ...

    async def forget_aside(self, aside: Aside) -> None:
        """Deletes one that was taken. That it is gone is no error."""
        ...

    async def count_aside(self) -> int:
        """Returns about how many events were given up, and are still there."""
        ...


class QueuedMarkers(Protocol):
    """Markers of the leases that wait in the queue: the next sweep does not queue them again. A lost marker does no harm."""

    async def note(self, batch: Batch, until: datetime) -> None:
        """Notes that the batch's leases wait, until then at the latest. Repeating the call changes nothing."""
        ...

    async def waiting(self, now: datetime) -> frozenset[LeaseId]:
        """Returns the leases that wait. Deletes the markers that have lapsed."""
        ...

    async def forget(self, batch_id: str) -> None:
        """Deletes the marker of a batch. Absence is no error."""
        ...
