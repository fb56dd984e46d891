"""The reconciliation of every kind of credential: each surveys its own, and the broker judges all alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.reconcile.drift import find_drift
from shared.broker.reconcile.reconcile import Result
from shared.core.errors import Unavailable
from shared.core.lease import State
from shared.core.names import LeaseId, RoleName
from tests.broker.drifting import HOUR, orphaned, reconciled, results
from tests.broker.scenes import issued
from tests.fakes.world import World, role, world
from tests.support.every_kind import EVERY_KIND
from tests.support.toy_kind import BadgeTarget, badge

DOOR = RoleName.parse("door")


@pytest.fixture(params=EVERY_KIND)
def scene(request: pytest.FixtureRequest) -> World:
    """A role of one kind."""
    sample = EVERY_KIND[request.param]
    return world(role(sample.target), kinds=sample.kinds)


async def test_what_has_no_lease_is_removed(scene: World) -> None:
    """Once it is old enough, whatever it is; and not before."""
    await orphaned(scene)
    assert [] == results(await reconciled(scene, after=60))
    assert scene.leftovers()
    assert {Result.REMOVED} == {result for _, result in results(await reconciled(scene, after=2 * HOUR))}
    assert [] == scene.leftovers()


async def test_a_lease_whose_things_somebody_took_away_is_ended(scene: World) -> None:
    """There is nothing left that it could be used for."""
    lease = (await issued(scene)).lease
    for application in [*scene.cloud.applications.values()]:
        if application.wanted and not application.secrets:
            scene.cloud.delete_application(application.object_id)
        application.secrets.clear()
    scene.cloud.assignments.clear()
    scene.cloud.elsewhere.clear()
    assert [("lease", Result.ENDED)] == results(await reconciled(scene, after=300))
    assert State.ENDED is scene.leases.rows[lease.id].state


async def test_a_lease_that_stands_is_left_alone(scene: World) -> None:
    """For as long as it lasts."""
    lease = (await issued(scene)).lease
    assert [] == results(await reconciled(scene, after=600))
    assert State.ACTIVE is scene.leases.rows[lease.id].state


async def test_many_leases_of_one_kind_that_nobody_shows_do_not_keep_those_of_another_waiting() -> None:
    """Each kind has room of its own in a run."""
    made = world(role(), role(BadgeTarget("north"), name=DOOR), kinds=(badge,))
    await issued(made)
    await issued(made, role=DOOR)
    principal, door = sorted(made.leases.rows.values(), key=lambda lease: lease.id.role, reverse=True)
    ids = [LeaseId(f"web.{number:026d}") for number in range(250)]
    made.leases.rows = {each: replace(principal, id=each) for each in ids} | {door.id: door}
    made.cloud.applications.clear()
    made.cloud.elsewhere.clear()
    made.clock.jump(HOUR)
    assert door.id in {each.id for each in (await find_drift(made.ports)).vanished}


async def test_a_place_of_one_kind_that_cannot_be_read_keeps_no_other_kind_waiting() -> None:
    """It is named."""
    made = world(role(), role(BadgeTarget("north"), name=DOOR), kinds=(badge,))
    await orphaned(made)
    made.calls.fail("doors.badges", Unavailable("no answer"), times=9)
    done = await reconciled(made, after=2 * HOUR)
    assert (["the north door"], [Result.REMOVED]) == ([*done.unread], [result for _, result in results(done)])
