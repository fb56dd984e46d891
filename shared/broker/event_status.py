"""How events go, in both directions: those that the broker publishes, and those that come from outside."""

from __future__ import annotations

from dataclasses import dataclass

from shared.broker.ports import Ports
from shared.broker.telling.publish import LATEST
from shared.core.errors import Upstream
from shared.core.ports.event_counts import Counted
from shared.core.ports.outbox import Waiting
from shared.core.ports.run_history import Noted
from shared.resilience.tasks import both

_MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What waits to be published, why it waits if it does, and how many events were never published."""

    waiting: Waiting
    last_error: str
    dropped: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """How many events were given up and are still there, and how many in all were unreadable, put back, or own."""

    poison: int
    unreadable: int
    delayed: int
    own: int


@dataclass(frozen=True, slots=True)
class EventStatus:
    """``outgoing`` is ``None`` if events are off; ``incoming`` is ``None`` if the queue cannot be asked."""

    outgoing: Outgoing | None
    incoming: Incoming | None


async def event_status(ports: Ports, noted: Noted) -> EventStatus | None:
    """Returns ``None`` if nothing is known in either direction. Raises ``Upstream``."""
    outgoing, incoming = await both(_outgoing(ports, noted), _incoming(ports))
    return EventStatus(outgoing, incoming) if outgoing is not None or incoming is not None else None


async def _outgoing(ports: Ports, noted: Noted) -> Outgoing | None:
    if ports.publisher is None:
        return None
    await ports.admitted()
    waiting = await ports.outbox.waiting(ports.now() + LATEST, _MOST_WAITING)
    return Outgoing(waiting, noted.publishing.last_error, noted.publishing.dropped)


async def _incoming(ports: Ports) -> Incoming | None:
    try:
        poison, counts = await both(ports.events.count_aside(), ports.event_counts.read())
    except Upstream:
        return None
    return Incoming(poison, *(counts.get(each, 0) for each in (Counted.DROPPED, Counted.DELAYED, Counted.OWN)))
