"""The ports to the queue of leases that are to end, and to the markers of what waits in it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.core.message import Batch, Message
from shared.core.names import LeaseId


class Revocations(Protocol):
    """The queue of leases to be ended. A message may be delivered never, late, or more than once."""

    async def send(self, message: Message) -> None:
        """Puts one message there. Storage trouble is ``Throttled``, ``Unavailable`` or ``Unreachable``."""
        ...


class QueuedMarkers(Protocol):
    """Which leases wait in the queue, so that the next sweep does not queue them again. Losing one does no harm."""

    async def note(self, batch: Batch, until: datetime) -> None:
        """Its leases wait until then at the latest. Repeating it changes nothing."""
        ...

    async def waiting(self, now: datetime) -> frozenset[LeaseId]:
        """The leases that wait; forgets the tickets that have lapsed."""
        ...

    async def forget(self, batch_id: str) -> None:
        """Its leases wait no longer. One that is not there is no error."""
        ...
