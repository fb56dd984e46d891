"""Events, struck at each call: none is lost, none tells of what did not happen, and one that comes twice has the same id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from shared.core.errors import LostRace, Unavailable, Unreachable
from tests.crash.walk import FaultAt, Scenario, faults, require_nothing_left, require_owned, settle, strike, sweep_once
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.operations import (
    TARGETS,
    collecting,
    fresh,
    issuing,
    prepared,
    renewing,
    revoking,
    sweeping,
    with_lease,
)
from tests.support.telling import ended, events_of, near_its_end, publishing, require_told

TARGET = TARGETS["service principal"]
ERRORS: dict[str, Callable[[], BaseException]] = {
    "died": Died,
    "no answer": Unreachable,
    "storage failed": Unavailable,
    "lost race": LostRace,
}
MOVES = [
    Scenario("issue", lambda: publishing(fresh(TARGET)), issuing),
    Scenario("renew", lambda: publishing(with_lease(TARGET, age=60)), renewing),
    Scenario("revoke", lambda: publishing(with_lease(TARGET, age=60)), revoking),
    Scenario("collect", lambda: publishing(prepared(TARGET, age=60)), collecting),
    Scenario("tell", lambda: near_its_end(TARGET), sweeping),
    Scenario("publish", lambda: ended(TARGET), sweeping),
]


def struck(scenario: Scenario, fault: FaultAt, error: BaseException) -> World:
    """The world after the operation was struck there, before any sweep."""
    world = scenario.make()
    if isinstance(error, Died):
        strike(world, scenario.action, fault, error)
        return world
    world.calls.fail_at(len(world.calls.made) + fault.ordinal, error, after=fault.after)
    world.run(lambda: _survive(world, scenario))
    world.calls.revive()
    return world


async def _survive(world: World, scenario: Scenario) -> None:
    try:
        await scenario.action(world)
    except Exception:  # noqa: BLE001 - whatever it was answered, what it tells must be true
        return


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("scenario", MOVES, ids=lambda it: it.name)
def test_what_happened_is_told_and_nothing_else(scenario: Scenario, error: str) -> None:
    """Wherever the worker is struck: the event lies beside the move of which it tells, in one transaction."""
    count = 0
    for fault in faults(scenario):
        world = struck(scenario, fault, ERRORS[error]())
        settle(world)
        for _ in range(3):
            world.clock.jump(900)
            sweep_once(world)
        require_owned(world)
        require_nothing_left(world)
        assert {} == world.outbox.rows
        require_told(world)
        count += 1
    assert 4 <= count


def test_an_event_comes_twice_with_one_id_if_its_worker_dies_before_it_is_deleted() -> None:
    """And only then: that is what at least once means."""
    twice = 0
    for fault in faults(MOVES[-1]):
        world = struck(MOVES[-1], fault, Died())
        sweep_once(world)
        sweep_once(world)
        ids = Counter(world.topic.ids())
        assert 2 == len(ids)
        twice += 2 in ids.values()
    assert 2 <= twice


def test_a_lease_is_told_of_once_for_its_end_although_two_sweeps_find_it() -> None:
    """Whoever loses the race tells nothing."""
    world = near_its_end(TARGET)
    world.calls.meanwhile(len(world.calls.made) + 4, lambda: sweeping(world))
    world.run(lambda: sweeping(world))
    sweep_once(world)
    assert 1 == len([event for event in events_of(world) if event["type"].endswith("expiring")])
