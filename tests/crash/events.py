"""What an event of Azure's does, struck at each of its calls; then the message comes again, and the end is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.broker.reconcile.reconcile import reconcile
from shared.core.names import ObjectId
from tests.broker.events.scenes import APP, OTHER_APP, SITE, active
from tests.crash.walk import Scenario, live, require_nothing_left, require_owned, sweep_once
from tests.fakes.world import World
from tests.support.events import (
    Action,
    asking_itself,
    deleted,
    granted_and_deleted,
    hearing_again,
    hearing_of_a_deletion,
    hearing_of_a_write,
    held_and_deleted,
    replaced,
    sites,
    unnoted,
    watched,
)
from tests.support.operations import reconciling

type Rest = Callable[[World], None]
_MINUTES = 10
_DAY = 90_000
"""Seconds after which nobody needs a record whose lease is over."""


def scenarios() -> Iterator[tuple[Scenario, Rest]]:
    """Each with what holds in the end."""
    writes, deletes = hearing_of_a_write, hearing_of_a_deletion
    yield Scenario("event issues", sites, writes), comes_again(writes, APP)
    yield Scenario("event replaces", replaced, writes), comes_again(writes, OTHER_APP)
    yield Scenario("event revokes by rule", deleted, deletes), comes_again(deletes)
    yield Scenario("event revokes by holder", held_and_deleted, deletes), comes_again(deletes)
    yield Scenario("event revokes by scope", granted_and_deleted, deletes), comes_again(deletes)
    yield Scenario("issue to an identity", watched, asking_itself), found_by_holder
    yield Scenario("reconcile holders", unnoted, reconciling), found_by_holder
    yield Scenario("reconcile a lost deletion", held_and_deleted, reconciling), comes_again(reconciling)


def comes_again(action: Action, *holders: ObjectId) -> Rest:
    """The host delivers the message again, and what was put back: then these, and nobody else, hold a lease of the rule."""

    def rest(world: World) -> None:
        require_owned(world)
        world.clock.jump(60)
        world.run(lambda: live(world, action))
        for _ in range(_MINUTES):
            world.clock.jump(60)
            world.run(lambda: live(world, hearing_again))
            sweep_once(world)
            require_owned(world)
        held = [each.known_holder.object_id for each in active(world)]
        assert [*holders] == held, f"held by {held}"
        over(world)

    return rest


def found_by_holder(world: World) -> None:
    """Whoever holds a lease of the site is known after a reconciliation, whatever has happened: its deletion ends all."""
    require_owned(world)
    world.run(lambda: reconcile(world.ports, "r"))
    world.resources.delete(SITE)
    world.run(lambda: hearing_of_a_deletion(world))
    assert [] == active(world)
    over(world)


def over(world: World) -> None:
    """All leases end. After a day no record of them is left."""
    require_nothing_left(world)
    world.clock.jump(_DAY)
    world.run(lambda: reconcile(world.ports, "r"))
    assert ({}, {}, []) == (world.rule_leases.rows, world.holder_resources.rows, world.events.texts)
