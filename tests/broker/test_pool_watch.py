"""What stands in a pool is looked at: whoever has touched it is told of, and it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.pool.fill import fill
from shared.broker.reconcile.reconcile import Result, reconcile
from shared.core.directory import NewTrust
from shared.core.errors import Refused, Throttled, Unreachable
from shared.core.lease import Cause, Lease, State
from shared.core.names import ObjectId
from tests.fakes.cloud_state import Application, CloudState
from tests.fakes.cloud_trust import add_federated
from tests.fakes.world import BOB, World, role, world
from tests.support.every_kind import TOKENS
from tests.support.pools import fill_up, in_state, pooled_target

LATER = timedelta(minutes=10).total_seconds()


async def with_pool(size: int = 1) -> World:
    """A role whose pool is full, ten minutes later."""
    scene = world(role(pooled_target(size, credential=TOKENS)))
    await fill_up(scene, rounds=1 + size // 5)
    scene.clock.jump(LATER)
    scene.calls.made.clear()
    return scene


def application_of(scene: World, lease: Lease) -> Application:
    """The lease's own."""
    return next(each for each in scene.cloud.applications.values() if each.unique_name.endswith(lease.id))


def secret(cloud: CloudState, application: Application) -> None:
    """Somebody adds a secret."""
    cloud.add_secret(application.object_id, "mine", cloud.clock.truth() + timedelta(days=1))


def trust(cloud: CloudState, application: Application) -> None:
    """Somebody lets a workload in."""
    add_federated(cloud, application.object_id, NewTrust("other", "https://issuer.example", "me", "api://AzureADTokenExchange"))


def owner(_cloud: CloudState, application: Application) -> None:
    """Somebody becomes an owner."""
    application.other_owners.append(ObjectId(BOB.object_id))


def audience(_cloud: CloudState, application: Application) -> None:
    """Somebody opens it to other tenants."""
    assert application.wanted is not None
    application.wanted = replace(application.wanted, sign_in_audience="AzureADMultipleOrgs")


def redirect(_cloud: CloudState, application: Application) -> None:
    """Somebody lets users sign in to it."""
    application.redirects = 1


def gone(cloud: CloudState, application: Application) -> None:
    """Somebody deletes it."""
    cloud.delete_application(application.object_id)


def untrusted(_cloud: CloudState, application: Application) -> None:
    """Somebody takes the broker's own trust away."""
    application.trusted.clear()


def without_principal(cloud: CloudState, application: Application) -> None:
    """Somebody deletes its service principal, so that nobody can sign in as it."""
    (principal,) = (each for each in cloud.principals.values() if each.app_id == application.app_id)
    cloud.delete_principal(principal.object_id)


def disabled(cloud: CloudState, application: Application) -> None:
    """Somebody lets nobody sign in as it."""
    cloud.disabled.add(application.app_id)


type Touch = Callable[[CloudState, Application], None]
FOREIGN: list[Touch] = [secret, trust, owner, audience, redirect]
VANISHED: list[Touch] = [gone, untrusted, without_principal, disabled]


@pytest.mark.parametrize("touch", [*FOREIGN, *VANISHED], ids=lambda each: each.__name__)
async def test_whatever_somebody_else_has_done_ends_the_lease(touch: Touch, caplog: pytest.LogCaptureFixture) -> None:
    """It is told before: in the audit trail, and in the log for an alert. Another lease is made in its place."""
    scene = await with_pool()
    (lease,) = in_state(scene, State.POOLED)
    application = application_of(scene, lease)
    touch(scene.cloud, application)
    done = await fill(scene.ports, "timer")
    assert (1, 1) == (done.looked_at, done.tampered)
    code = "foreign_credential" if touch in FOREIGN else "vanished"
    assert (Cause.TAMPERED if touch in FOREIGN else Cause.VANISHED) is scene.leases.rows[lease.id].cause
    assert application.object_id not in scene.cloud.applications
    (event,) = (each for each in scene.audit.events if each.operation == "reconcile")
    assert (code, lease.id) == (event.code, event.lease)
    assert f"pool_tampered role=web lease={lease.id} code={code}" in caplog.text
    if touch is secret:
        assert f"key {next(iter(application.secrets), '')}" in event.reason
    assert not scene.pools.rows
    await fill_up(scene)
    assert 1 == len(in_state(scene, State.POOLED))


async def test_each_lease_is_looked_at_once_in_ten_minutes() -> None:
    """Ten of them in one call, and none earlier than it must."""
    scene = await with_pool(12)
    for minute in range(21):
        await fill(scene.ports, "timer")
        assert (minute // 10 + 1) * 2 == scene.calls.names().count("directory.look_at")
        scene.clock.jump(60)
    assert {10, 2} == {len(call.about) for call in scene.calls.made if call.name == "directory.look_at"}


async def test_leases_of_different_minutes_come_to_share_a_call() -> None:
    """Four leases a minute were made, and ten are looked at in one call: none is left for longer than ten minutes."""
    scene = world(role(pooled_target(20, credential=TOKENS)))
    for _ in range(5):
        await fill_up(scene)
        scene.clock.jump(60)
    assert 20 == len(in_state(scene, State.POOLED))
    for _ in range(10):
        await fill(scene.ports, "timer")
        scene.clock.jump(60)
    scene.calls.made.clear()
    for minute in range(20):
        await fill(scene.ports, "timer")
        oldest = min(hint.looked_at for hint in scene.pools.rows.values())
        assert scene.ports.now() - oldest < timedelta(seconds=LATER), minute
        scene.clock.jump(60)
    assert [10] * 4 == [len(call.about) for call in scene.calls.named("directory.look_at")]


async def test_a_stranger_is_found_although_the_lease_was_claimed_meanwhile() -> None:
    """A hint at a lease that is somebody's is forgotten, and that lease is left alone."""
    scene = await with_pool(2)
    first, second = in_state(scene, State.POOLED)
    now = scene.ports.now()
    await scene.leases.swap(first.ending(Cause.DRAINED, now, now), former=first)
    done = await fill(scene.ports, "timer")
    assert (1, 0) == (done.looked_at, done.tampered)
    assert [second.id] == [hint.lease for hint in scene.pools.rows.values()]


@pytest.mark.parametrize("failure", [Throttled("busy", retry_after=5), Unreachable("no answer"), Refused("no", status=403)])
async def test_a_look_that_fails_is_made_again_by_the_next_filling(
    failure: Throttled, caplog: pytest.LogCaptureFixture
) -> None:
    """The leases stay: nobody knows anything against them. The log tells of it."""
    caplog.set_level(logging.WARNING)
    scene = await with_pool()
    scene.calls.fail("directory.look_at", failure, times=1)
    assert (0, 0) == ((done := await fill(scene.ports, "timer")).looked_at, done.tampered)
    assert "looked at" in caplog.text
    scene.clock.jump(60)
    assert 1 == (await fill(scene.ports, "timer")).looked_at
    assert 1 == len(in_state(scene, State.POOLED))


async def test_an_audit_trail_that_cannot_be_written_keeps_nothing_from_the_next_filling() -> None:
    """What was found is found again, and told before the lease ends."""
    scene = await with_pool()
    (lease,) = in_state(scene, State.POOLED)
    secret(scene.cloud, application_of(scene, lease))
    scene.calls.fail("audit.record", Unreachable("no answer"), times=1)
    with pytest.raises(Unreachable):
        await fill(scene.ports, "timer")
    assert State.POOLED is scene.leases.rows[lease.id].state
    assert 1 == (await fill(scene.ports, "timer")).tampered


async def test_the_reconciliation_finds_an_assignment_that_is_gone() -> None:
    """Whoever claims the lease would get a principal that may do nothing."""
    scene = await with_pool(2)
    first, second = in_state(scene, State.POOLED)
    scene.clock.jump(3600)
    held = next(each for each in scene.cloud.assignments if each.name in {it.name for it in first.footprint.assignments})  # type: ignore[attr-defined]
    scene.cloud.unassign(held)
    would = await reconcile(scene.ports, "r", dry_run=True)
    assert [(first.id, Result.WOULD_END)] == [(each.lease, each.result) for each in would.findings]
    done = await reconcile(scene.ports, "r")
    assert [(first.id, Result.ENDED)] == [(each.lease, each.result) for each in done.findings]
    assert (State.ENDED, Cause.VANISHED) == (scene.leases.rows[first.id].state, scene.leases.rows[first.id].cause)
    assert State.POOLED is scene.leases.rows[second.id].state
    assert [("assignment_missing", first.id)] == [(e.code, e.lease) for e in scene.audit.events if e.code]


async def test_the_reconciliation_finds_a_pooled_lease_whose_application_is_gone() -> None:
    """It is told as tampered with: nobody had a reason to delete it."""
    scene = await with_pool(1)
    (lease,) = in_state(scene, State.POOLED)
    scene.clock.jump(3600)
    gone(scene.cloud, application_of(scene, lease))
    await reconcile(scene.ports, "r")
    assert (State.ENDED, Cause.VANISHED) == (scene.leases.rows[lease.id].state, scene.leases.rows[lease.id].cause)
    assert ["vanished"] == [e.code for e in scene.audit.events if e.code]


async def test_the_reconciliation_leaves_a_good_pool_alone() -> None:
    """With assignments or without."""
    scene = await with_pool(2)
    scene.clock.jump(3600)
    assert () == (await reconcile(scene.ports, "r")).findings
    assert 2 == len(in_state(scene, State.POOLED))


async def test_a_scope_that_cannot_be_read_is_no_reason_to_end_a_lease() -> None:
    """Nobody knows what stands there."""
    scene = await with_pool(1)
    scene.clock.jump(3600)
    scene.calls.fail("inventory.assignments_at", Unreachable("no answer"), times=99)
    assert () == (await reconcile(scene.ports, "r")).findings
