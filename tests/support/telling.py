"""Worlds whose broker publishes events."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from shared.broker.telling.telling import telling
from shared.core.lease import State
from shared.core.role import Target
from tests.fakes.world import World
from tests.support.operations import LASTS, fresh, issuing, revoking


def publishing(made: World) -> World:
    """The same world, whose broker publishes events from now on."""
    ports = made.ports
    leases = telling(made.leases, ports.kinds, made.clock, made.ids)
    made.ports = replace(ports, leases=leases, publisher=made.topic)
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


def require_told(world: World) -> None:
    """Each move that is seen in storage is told once, and no other: as far as the leases themselves show it.

    Of a lease with a later end, the new end is told of as well.
    """
    events = events_of(world)
    each = Counter((event["type"], event["data"]["lease"], event["data"]["expires_at"]) for event in events)
    assert {1} >= {*each.values()}, each
    count = Counter((event["type"].removeprefix("leasehold.lease."), event["data"]["lease"]) for event in events)
    for lease in world.leases.rows.values():
        assert State.ENDED is lease.state
        if lease.told:
            assert 1 == count["issued", lease.id], count
        if lease.told or lease.handed_out:
            assert 1 == count["ended", lease.id], count
    assert {lease for kind, lease in count if kind == "ended"} <= {*world.leases.rows}
