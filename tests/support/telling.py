"""Worlds whose broker publishes events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.broker.telling.telling import telling
from shared.core.role import Target
from tests.fakes.world import World
from tests.support.operations import LASTS, fresh, issuing, revoking


def publishing(made: World) -> World:
    """The same world, whose broker publishes events from now on."""
    ports = made.ports
    told = telling(made.leases, ports.kinds, made.clock, made.ids)
    made.ports = replace(ports, leases=told, publisher=made.topic)
    return made


def ended(target: Target, lag: float = 0.0) -> World:
    """A lease that has ended a moment ago. Two events wait."""
    made = near_its_end(target, lag)
    made.run(lambda: revoking(made))
    return made


def near_its_end(target: Target, lag: float = 0.0) -> World:
    """A lease of which an event is to tell that its end is near."""
    made = publishing(fresh(target, lag))
    made.run(lambda: issuing(made))
    made.clock.jump(LASTS * 2 / 3)
    return made


def events_of(made: World) -> list[dict[str, Any]]:
    """What the topic has taken, each event once."""
    return [*{event["id"]: event for event in made.topic.published}.values()]
