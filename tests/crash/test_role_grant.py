"""Roles that are granted to their callers: whatever befalls any call, what somebody else has granted stays, and nothing else.

Here one caller has the role already at one of two scopes, by an assignment that the broker has not made. What somebody else has
granted is there before the issue, or comes while the issue is under way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from shared.broker.issue.issue import Issued
from shared.core.footprint import Assignment
from shared.core.lease import State
from shared.issuers.role_grant.footprint import RoleGrantFootprint
from tests.crash.walk import FaultAt, Scenario, live, strike
from tests.crash.ways import WAYS, Way, struck
from tests.fakes.calls import Died
from tests.fakes.cloud_state import Granted, Thing
from tests.fakes.world import ALICE, DEFINITION, SCOPES, World, guid, role, world
from tests.support.grants import grant_target
from tests.support.operations import LASTS, forcing_all, issuing, issuing_once, revoking_all, sweeping

THEIRS = [Assignment(scope, guid(0x990 + index)) for index, scope in enumerate(SCOPES[:2])]
ENDS = {"revoked": revoking_all, "forced": forcing_all}

type Report = Callable[[str, object], None]


def beside(place: int, on_existing: str) -> World:
    """A role at two scopes, at one of which the caller has it by somebody else."""
    made = world(role(grant_target(2, on_existing=on_existing), ttl=LASTS, max_ttl=2 * LASTS))
    granted(made, place)
    return made


def granted(made: World, place: int) -> None:
    """Somebody else grants it."""
    made.cloud.assign(THEIRS[place], Granted(DEFINITION, ALICE.object_id, None, "by hand"))


async def issuing_beside(made: World) -> Issued:
    """Alice asks for what she may have already, of which the model knows nothing."""
    return await issuing(made)


async def issuing_once_beside(made: World) -> Issued:
    """The same under her key."""
    return await issuing_once(made)


def over(made: World, end: str) -> None:
    """All leases are ended, and sweeps have been there."""
    made.run(lambda: live(made, ENDS[end]))
    for _ in range(8):
        made.clock.jump(400)
        made.run(lambda: live(made, sweeping))
    assert {State.ENDED} >= {lease.state for lease in made.leases.rows.values()}


def left(place: int) -> list[Thing]:
    """What somebody else has granted."""
    return [Thing("assignment", THEIRS[place].name, THEIRS[place].scope)]


@pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in WAYS])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("on_existing", ["refuse", "ignore"])
@pytest.mark.parametrize("place", [0, 1])
def test_what_somebody_else_has_granted_stays(
    place: int, on_existing: str, end: str, way: Way, record_property: Report
) -> None:
    """Whether the issue comes to it first or last, and whatever becomes of the issue."""
    count = 0
    for action in (issuing_beside, issuing_once_beside):
        for case in struck(Scenario("issue", partial(beside, place, on_existing), action), way):
            for answer in case.answers:
                assert isinstance(answer, Issued)
                assert (SCOPES[1 - place],) == answer.lease.scopes
            over(case.world, end)
            assert left(place) == case.world.leftovers()
            count += 1
    record_property("cases", count)
    assert count > 10


@pytest.mark.parametrize("on_existing", ["refuse", "ignore"])
@pytest.mark.parametrize("place", [0, 1])
def test_what_somebody_else_grants_at_any_moment_stays(place: int, on_existing: str, record_property: Report) -> None:
    """Between any two calls of the issue. Who comes first has it."""
    count, was_first = 0, set[bool]()
    fresh = partial(world, role(grant_target(2, on_existing=on_existing), ttl=LASTS, max_ttl=2 * LASTS))
    undisturbed = fresh()
    undisturbed.run(lambda: issuing(undisturbed))
    for ordinal in range(1, len(undisturbed.calls.made) + 1):
        made = fresh()

        async def somebody(made: World = made) -> None:
            names = {each.scope for each in made.cloud.assignments}
            was_first.add(SCOPES[place] not in names)
            if SCOPES[place] not in names:
                granted(made, place)

        made.calls.meanwhile(len(made.calls.made) + ordinal, somebody)
        made.run(lambda made=made: live(made, issuing))  # type: ignore[misc]  # the world of this turn
        theirs = left(place) if THEIRS[place] in made.cloud.assignments else []
        for lease in made.leases.rows.values():
            assert isinstance(lease.footprint, RoleGrantFootprint)
            if lease.state is State.ACTIVE:
                assert bool(theirs) == (lease.footprint.grants[place].name in lease.footprint.left_out)
        over(made, "revoked")
        assert theirs == made.leftovers()
        count += 1
    record_property("cases", count)
    assert {True, False} == was_first


@pytest.mark.parametrize("end", ENDS)
def test_two_issues_of_one_holder_and_a_death_leave_nothing(end: str, record_property: Report) -> None:
    """The second finds what the first has left, and never takes it over."""
    count = 0
    fresh = partial(world, role(grant_target(2), ttl=LASTS, max_ttl=2 * LASTS))
    undisturbed = fresh()
    undisturbed.run(lambda: issuing(undisturbed))
    for ordinal in range(1, len(undisturbed.calls.made) + 1):
        for after in (False, True):
            made = fresh()
            strike(made, issuing, FaultAt(ordinal, after=after), Died())
            made.run(lambda made=made: live(made, issuing))  # type: ignore[misc]  # the world of this turn
            holders = [lease for lease in made.leases.rows.values() if lease.state is State.ACTIVE]
            assert len(holders) <= 1
            over(made, end)
            assert [] == made.leftovers()
            count += 1
    record_property("cases", count)
    assert count == 2 * len(undisturbed.calls.made)
