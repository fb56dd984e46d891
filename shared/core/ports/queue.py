"""The ports to the queue of leases that are to end, and to the markers of the leases that wait in it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.core.message import Batch, Message
from shared.core.names import LeaseId


class Revocations(Protocol):
    """The queue of leases that are to end. A message may be delivered never, late, or more than once."""

    async def send(self, message: Message) -> None:
        """Puts one message on the queue. Raises ``Throttled``, ``Unavailable`` or ``Unreachable`` if storage fails."""
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
