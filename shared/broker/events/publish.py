"""Putting events on the queue that came through the door over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import batched
from typing import Any

from shared.broker.events import telling
from shared.broker.ports import Actor, Ports
from shared.core.errors import Upstream
from shared.core.events.errors import EventsNotTaken
from shared.core.events.event import Event, read_published
from shared.core.names import Unparsable
from shared.resilience.tasks import all_of

_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Published:
    """How many events are on the queue now, and how many were dropped because nobody can read them."""

    accepted: int
    unreadable: int


async def publish(ports: Ports, actor: Actor, documents: list[Any]) -> Published:
    """Puts each event on the queue. One that cannot be read takes none of the others with it.

    Raises ``EventsNotTaken`` if the queue does not take all of them: then the publisher sends all of them again.
    """
    events: list[Event] = []
    for document in documents:
        try:
            events.append(read_published(document, ports.now()))
        except Unparsable:
            await telling.unreadable(ports, actor.id, len(json.dumps(document)), "of a request")
    try:
        for some in batched(events, _AT_ONCE, strict=False):
            await all_of(*(ports.events.send(event) for event in some))
    except Upstream as failure:
        raise EventsNotTaken(failure.cause) from failure
    return Published(len(events), len(documents) - len(events))
