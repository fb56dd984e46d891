"""Reconciliations that die at any of their calls: the next one finishes, and nobody else's object is ever touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.broker.reconcile.reconcile import reconcile
from shared.core import ownership
from shared.core.directory import NewApplication
from shared.core.footprint import Assignment
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.role import Target
from tests.crash.walk import Scenario, length, live, sweep_once
from tests.fakes.cloud_state import Granted, Thing
from tests.fakes.world import DEFINITION, EXISTING, SCOPES, World, guid
from tests.support.operations import TARGETS, fresh, issuing, only, reconciling

type Report = Callable[[str, object], None]

THEIRS = LeaseId.parse("web.01jmdgfw000000000000000000")
"""A lease of another broker's, in the same tenant."""
_HOURS = 6
"""Runs after which something that is still there is never going to vanish."""


async def dry_run(world: World) -> None:
    """The same, only looking."""
    await reconcile(world.ports, "run", dry_run=True)


def reconcile_once(world: World) -> None:
    """One reconciliation by a new worker, however it ends."""
    world.run(lambda: live(world, reconciling))


def while_reconciling(scenario: Scenario, ordinal: int) -> World:
    """A world in which the operation is done while a whole reconciliation comes in before that call."""
    world = scenario.make()
    world.calls.meanwhile(len(world.calls.made) + ordinal, lambda: live(world, reconciling))
    world.run(lambda: live(world, scenario.action))
    return world


def strangers(world: World) -> None:
    """What another broker and other people have made: all of it old, much of it called as ours is."""
    name = ownership.unique_name(THEIRS)
    made = world.cloud.upsert_application(NewApplication(name, name, "AzureADMyOrg", (ownership.TAG,), ""))
    world.clock.jump(60)
    principal = world.cloud.create_principal(made.app_id)
    world.clock.jump(60)
    world.cloud.add_secret(EXISTING, THEIRS, world.clock.now())
    world.cloud.add_secret(EXISTING, "by hand", world.clock.now())
    theirs = Assignment(SCOPES[0], ownership.assignment_name(THEIRS, 0))
    world.cloud.assign(theirs, Granted(DEFINITION, principal, None, ownership.assignment_description(THEIRS)))
    world.cloud.assign(Assignment(SCOPES[0], guid(0x910)), Granted(DEFINITION, guid(0x911), None))
    world.cloud.add_member(next(iter(world.cloud.groups)), principal)
    world.inventory.strange |= {made.object_id, principal, theirs}


def lost(target: Target) -> World:
    """A lease whose record is lost, two hours ago; strangers' objects; and no lease else."""
    world = fresh(target)
    strangers(world)
    world.run(lambda: issuing(world))
    world.leases.rows.clear()
    world.clock.jump(2 * 3600)
    return world


def deleted(target: Target) -> World:
    """An active lease whose objects somebody deletes while it lasts."""
    world = fresh(target)
    strangers(world)
    world.run(lambda: issuing(world))
    world.clock.jump(60)
    for application in [each for each in world.cloud.applications.values() if each.wanted]:
        if application.object_id not in world.inventory.strange:
            world.cloud.delete_application(application.object_id)
    secrets = world.cloud.applications[EXISTING].secrets
    for key_id in [key for key, stored in secrets.items() if stored.display_name == only(world)]:
        del secrets[key_id]
    world.cloud.elsewhere.clear()
    world.clock.jump(240)
    return world


def theirs_alone(target: Target) -> list[Thing]:
    """What is there when nothing is ours."""
    world = fresh(target)
    strangers(world)
    return world.leftovers()


def require_only_theirs(world: World, target: Target) -> None:
    """In the end, hours and sweeps later, all that is theirs is there, nothing that is ours, and no lease lives."""
    for _ in range(_HOURS):
        world.clock.jump(3600)
        sweep_once(world)
        reconcile_once(world)
        require_theirs(world, target)
    assert theirs_alone(target) == world.leftovers()
    assert {State.ENDED} >= {lease.state for lease in world.leases.rows.values()}


def require_theirs(world: World, target: Target) -> None:
    """Nothing of theirs is missing."""
    there = world.leftovers()
    assert [] == [thing for thing in theirs_alone(target) if thing not in there]


@pytest.mark.parametrize("lag", [0.0, 25.0])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_reconciliation_that_comes_in_at_any_call_of_an_issue_disturbs_nothing(lag: float, kind: str) -> None:
    """What has a live lease is never an orphan, whatever the lists show."""
    scenario = Scenario("issue", lambda: fresh(TARGETS[kind], lag), issuing)
    for ordinal in range(1, length(scenario) + 1):
        world = while_reconciling(scenario, ordinal)
        assert State.ACTIVE is world.leases.rows[only(world)].state, ordinal
        world.clock.jump(60)
        reconcile_once(world)
        assert State.ACTIVE is world.leases.rows[only(world)].state, ordinal


@pytest.mark.parametrize("kind", TARGETS)
def test_two_reconciliations_at_once_leave_nothing_of_ours(kind: str) -> None:
    """At whichever call the second one comes in."""
    target = TARGETS[kind]
    scenario = Scenario("reconcile", lambda: lost(target), reconciling)
    for ordinal in range(1, length(scenario) + 1):
        world = while_reconciling(scenario, ordinal)
        require_theirs(world, target)
        require_only_theirs(world, target)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_dry_run_leaves_everything_as_it_is(kind: str) -> None:
    """The walks would notice a reconciliation that does nothing: so does this, the other way round."""
    world = lost(TARGETS[kind])
    before = world.leftovers()
    world.run(lambda: live(world, dry_run))
    assert before == world.leftovers()
    world.run(lambda: live(world, reconciling))
    assert theirs_alone(TARGETS[kind]) == world.leftovers()
