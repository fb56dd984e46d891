from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from shared.broker.configure.roles import put_role
from shared.core.errors import Unavailable
from shared.core.lease import State
from tests.crash.alternating import alternating
from tests.crash.promised import frozen_then_swept, require_promised
from tests.crash.scenarios import scenarios
from tests.crash.walk import Scenario, length, live, require_nothing_left, require_owned
from tests.fakes.calls import Died, MadeCall
from tests.fakes.world import ADMINISTRATOR, WEB, World, principal_target, request, role
from tests.model.judge import Answer, answer_of, start_of
from tests.support.kinds import read_role, write_role
from tests.support.operations import (
    TARGETS,
    Action,
    deleting_the_role,
    fresh,
    issuing,
    only,
    renewing,
    revoking,
    revoking_all,
    revoking_the_role,
    revoking_what_reaches,
    sweeping,
    with_lease,
)

type Report = Callable[[str, object], None]


OTHERS: list[Action] = [frozen_then_swept, revoking_all, revoking_the_role, revoking_what_reaches, deleting_the_role]
_NAMED = {other.__name__: other for other in OTHERS}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("lag", [0.0, 3.0])
def test_an_issue_that_is_interrupted_at_any_call_leaves_nothing(lag: float, kind: str, other: Action) -> None:
    """Whoever loses undoes its own work, at whichever call the other one came in between."""
    scenario = scenarios(TARGETS[kind], lag)[0]
    for ordinal in range(1, length(scenario) + 1):
        world = done_while_interrupted(scenario, ordinal, other)
        require_owned(world)
        require_nothing_left(world)


@pytest.mark.parametrize(("kind", "other"), alternating(TARGETS, _NAMED, many=3))
def test_an_interrupted_issue_that_dies_leaves_nothing(kind: str, other: Action, record_property: Report) -> None:
    """The loser dies at any of its later calls: what it has made is found all the same."""
    scenario = scenarios(TARGETS[kind])[0]
    count = 0
    for ordinal in range(1, length(scenario) + 1, 2):
        death = ordinal
        while death_strikes(scenario, ordinal, other, death := death + 2):
            count += 1
    record_property("cases", count)
    assert count > 0


def death_strikes(scenario: Scenario, ordinal: int, other: Action, death: int) -> bool:
    """One such case; says whether the worker lived long enough to die there."""
    world = interrupted(scenario, ordinal, other)
    world.calls.fail_at(death, Died(), after=death % 4 < 2)
    with suppress(Died):
        world.run(lambda: live(world, issuing))
    died = world.calls.dead
    world.calls.revive()
    require_owned(world)
    require_nothing_left(world)
    return died


def interrupted(scenario: Scenario, ordinal: int, other: Action) -> World:
    """A world in which the other one comes in before that call."""
    world = scenario.make()
    world.calls.meanwhile(len(world.calls.made) + ordinal, lambda: live(world, other))
    return world


def done_while_interrupted(scenario: Scenario, ordinal: int, other: Action) -> World:
    """The same, and the operation done to its end; both were answered as the model allows."""
    world, answers = scenario.make(), list[Answer]()

    async def coming_in() -> None:
        answers.append(await answer_of(other, world))

    start = start_of(world)
    world.calls.meanwhile(len(world.calls.made) + ordinal, coming_in)
    answer = world.run(lambda: answer_of(scenario.action, world))
    require_promised(world, start, [scenario.action, other], [answer, *answers])
    return world


async def role_deleted_and_swept(world: World) -> None:
    """The same, and a sweep ends them at once."""
    await deleting_the_role(world)
    await sweeping(world)


@pytest.mark.parametrize("dies", [False, True])
def test_what_an_issue_makes_after_its_lease_was_swept_is_found(*, dies: bool) -> None:
    """A lost answer is asked for again after a sweep has met and removed everything; then the worker dies, or Azure refuses.

    Nobody looks at the scope of a role that is gone: it is the lease that has to last for as long as its issue may.
    """
    scenario, ordinal = Scenario("issue", with_lost_assignment, issuing), 0
    while ordinal < length(scenario):
        ordinal += 1
        world = interrupted(scenario, ordinal, role_deleted_and_swept)
        if dies:
            world.calls.watch = dying_after(world, ordinal)
        else:
            world.calls.fail("authorization.unassign", Unavailable(status=503), nth=3, times=500)
        with suppress(Died):
            world.run(lambda: live(world, issuing))  # noqa: B023 - run at once
        world.calls.watch = None
        world.calls.heal()
        world.calls.revive()
        require_nothing_left(world)


def with_lost_assignment() -> World:
    """The answer to an assignment will be lost after its effect."""
    made = fresh(TARGETS["service principal"])
    made.calls.fail("authorization.assign", Unavailable(status=500), after=True)
    return made


def dying_after(world: World, ordinal: int) -> Callable[[MadeCall], None]:
    """The worker dies when it next moves its lease after its call of that number was answered."""

    def watch(call: MadeCall) -> None:
        if call.name == "leases.swap" and any(each.ordinal == ordinal and each.over for each in world.calls.made):
            raise Died

    return watch


async def role_narrowed(world: World) -> None:
    """Somebody takes most of the role's rights away, and revokes what is out."""
    narrow = write_role(role(principal_target(roles=1, groups=0)))
    await put_role(world.ports, request(ADMINISTRATOR), read_role(WEB, narrow))
    await revoking_the_role(world)


def test_no_lease_has_more_rights_than_its_role_after_that_was_narrowed() -> None:
    """At whichever call of an issue: it is refused, or ended, or made of the new role."""
    scenario = Scenario("issue", lambda: fresh(TARGETS["service principal"]), issuing)
    for ordinal in range(1, length(scenario) + 1):
        world = done_while_interrupted(scenario, ordinal, role_narrowed)
        for lease in world.leases.rows.values():
            result = lease.under(world.generations.rows[WEB].number)
            assert result.state is not State.ACTIVE or 1 == len(getattr(lease.footprint, "assignments", ()))
        require_nothing_left(world)


@pytest.mark.parametrize("other", [revoking_all, revoking_the_role, sweeping, renewing])
@pytest.mark.parametrize("action", [revoking, renewing, sweeping])
def test_two_who_meet_on_an_active_lease_leave_nothing(action: Action, other: Action) -> None:
    """Revoking, renewing and sweeping meet at any call: the lease ends once, and nothing stays."""
    age = 301.0 if sweeping in {action, other} else 60.0
    scenario = Scenario("two", lambda: with_lease(TARGETS["service principal"], age=age), action)
    for ordinal in range(1, length(scenario) + 1):
        world = done_while_interrupted(scenario, ordinal, other)
        require_owned(world)
        require_nothing_left(world)
        assert 1 == [event.operation for event in world.audit.events if event.outcome == "done"].count("issue")


def test_a_revoked_lease_is_never_renewed_back_to_life() -> None:
    """A renewal that comes in at any call of a revocation does not save the lease."""
    scenario = Scenario("revoke", lambda: with_lease(TARGETS["service principal"], age=60), revoking)
    for ordinal in range(1, length(scenario) + 1):
        world = done_while_interrupted(scenario, ordinal, renewing)
        assert "ended" == world.leases.rows[only(world)].state
