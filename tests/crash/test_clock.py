"""A wall clock that jumps by an hour at any call: no lease ends early by more than the jump, and nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.broker.issue.issue import Issued
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.role import Target
from tests.crash.alternating import alternating
from tests.crash.test_reconcile import reconcile_once
from tests.crash.walk import Scenario, length, live, require_owned, sweep_once
from tests.crash.ways import require_ends_told
from tests.fakes.calls import Died
from tests.fakes.clock import START
from tests.fakes.world import World, role, world
from tests.support.every_kind import kinds_for, works
from tests.support.operations import TARGETS, WALKED, Action, issuing, issuing_once, renewing, revoking, sweeping

HOUR = 3600.0
_JUMPS = {"an hour forth": HOUR, "an hour back": -HOUR}
JUMPS = [pytest.param(jump, id=name) for name, jump in _JUMPS.items()]
TTL = 2 * 3600
PAUSE = 600.0
"""Seconds between two sweeps: the most by which an end is late."""
LATEST = timedelta(seconds=TTL + HOUR + 3 * PAUSE)
"""The most that a lease of a world lasts from its beginning: an hour too long, and until sweeps have been."""
_ROUNDS = 40
"""Sweeps after which every lease is over, whichever way the clock went."""

type Report = Callable[[str, object], None]


def fresh(target: Target, lag: float = 0.0) -> World:
    """A role whose leases last for longer than the clock is wrong."""
    return world(role(target, ttl=TTL, max_ttl=2 * TTL), lag=lag, kinds=kinds_for(target))


def with_lease(target: Target, action: Action = issuing, age: float = 60.0) -> World:
    """One active lease of that age."""
    made = fresh(target)
    made.run(lambda: live(made, action))
    made.clock.jump(age)
    return made


OPERATIONS: dict[str, Callable[[Target], Scenario]] = {
    "issue": lambda target: Scenario("issue", lambda: fresh(target), issuing),
    "issue once": lambda target: Scenario("issue once", lambda: fresh(target), issuing_once),
    "repeat": lambda target: Scenario("repeat", lambda: with_lease(target, issuing_once), issuing_once),
    "renew": lambda target: Scenario("renew", lambda: with_lease(target), renewing),
    "revoke": lambda target: Scenario("revoke", lambda: with_lease(target), revoking),
    "sweep": lambda target: Scenario("sweep", lambda: with_lease(target, age=TTL + 1.0), sweeping),
}
WALKS = [
    pytest.param(make(target), id=f"{name}, {kind}") for name, make in OPERATIONS.items() for kind, target in WALKED.items()
]


def astray(scenario: Scenario, ordinal: int, jump: float, *, swept: bool) -> tuple[World, list[object]]:
    """The clock jumps at that call of the operation, and it may be that another worker sweeps at once."""
    world, answers = scenario.make(), list[object]()

    async def jumping() -> None:
        world.clock.go_astray(jump)
        if swept:
            await live(world, sweeping)

    async def noted(world: World) -> None:
        answers.append(await scenario.action(world))

    world.calls.meanwhile(len(world.calls.made) + ordinal, jumping)
    world.run(lambda: live(world, noted))
    return world, answers


def active(world: World) -> set[LeaseId]:
    """The leases that are alive."""
    return {lease.id for lease in world.leases.rows.values() if lease.state is State.ACTIVE}


def require_kept(world: World, alive: set[LeaseId], answers: list[object]) -> None:
    """Sweep after sweep they are alive, and what was handed out works, until their end but for the jump."""
    for answer in answers:
        assert not isinstance(answer, Issued) or answer.lease.id in alive
    while world.clock.truth() + timedelta(seconds=PAUSE) < START + timedelta(seconds=TTL - HOUR):
        world.clock.jump(PAUSE)
        sweep_once(world)
        require_owned(world)
        assert alive == active(world)
        assert all(works(world, answer.credential) for answer in answers if isinstance(answer, Issued))


def require_over(world: World) -> None:
    """Every lease ends, and leaves nothing."""
    for _ in range(_ROUNDS):
        if {State.ENDED} >= {lease.state for lease in world.leases.rows.values()}:
            break
        world.clock.jump(PAUSE)
        sweep_once(world)
        require_owned(world)
    assert [] == world.leftovers()
    require_ends_told(world)


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("scenario", WALKS)
def test_a_clock_that_jumps_at_any_call_ends_nothing_early_and_leaks_nothing(
    scenario: Scenario, *, swept: bool, jump: float, record_property: Report
) -> None:
    """Issued, renewed, revoked or swept meanwhile: an end is early or late by the jump at most."""
    count = 0
    for ordinal in range(1, length(scenario) + 1):
        world, answers = astray(scenario, ordinal, jump, swept=swept)
        require_owned(world)
        assert active(world) or scenario.name not in {"renew", "repeat"}
        require_kept(world, active(world), answers)
        require_over(world)
        assert world.clock.truth() - START <= LATEST
        count += 1
    record_property("cases", count)
    assert count > 0


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("kind", TARGETS)
def test_a_clock_that_jumps_ends_no_standing_lease_early_by_more(kind: str, jump: float) -> None:
    """Swept at once and every ten minutes after: it is alive until an hour before its end, and over an hour after it."""
    made = fresh(TARGETS[kind])
    answer = made.run(lambda: issuing(made))
    made.clock.go_astray(jump)
    sweep_once(made)
    require_kept(made, {answer.lease.id}, [answer])
    require_over(made)
    assert timedelta(seconds=TTL - max(0.0, jump)) <= made.clock.truth() - START <= LATEST


def test_a_lease_that_ends_early_by_more_would_be_noticed() -> None:
    """The test of the test: a clock that is wrong for longer than that ends it, and the walk says so."""
    made = fresh(TARGETS["service principal"])
    answer = made.run(lambda: issuing(made))
    made.clock.go_astray(TTL)
    with pytest.raises(AssertionError):
        require_kept(made, {answer.lease.id}, [answer])


@pytest.mark.parametrize("lag", [0.0, 25.0])
@pytest.mark.parametrize(("kind", "jump"), alternating(TARGETS, _JUMPS))
def test_a_death_at_any_call_and_a_clock_that_jumps_after_it_leak_nothing(
    kind: str, lag: float, jump: float, record_property: Report
) -> None:
    """The sweep may believe absence too early, while replication lags: the reconciliation finds what it has missed."""
    count = 0
    scenario = Scenario("issue", lambda: fresh(TARGETS[kind], lag), issuing)
    for ordinal in range(1, length(scenario) + 1):
        for after in (False, True):
            made = scenario.make()
            made.calls.fail_at(len(made.calls.made) + ordinal, Died(), after=after)
            with suppress(Died):
                made.run(lambda: live(made, issuing))  # noqa: B023 - run at once
            made.calls.revive()
            made.clock.go_astray(jump)
            sweep_once(made)
            for _ in range(6):
                made.clock.jump(HOUR)
                sweep_once(made)
                reconcile_once(made)
            assert [] == made.leftovers()
            count += 1
    record_property("cases", count)
    assert count > 0
