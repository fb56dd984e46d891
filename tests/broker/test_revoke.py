from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.revoke import revoke
from shared.core.caller import Caller
from shared.core.errors import Interrupted, NotFound, Refused, Throttled, Unavailable
from shared.core.lease import Cause, Lease, State
from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, SCOPES, WATCHER, World, request, role, world


@pytest.fixture
async def scene() -> World:
    """One active lease, a minute old."""
    made = world(role())
    await issued(made)
    made.clock.jump(300)
    return made


async def revoked(scene: World, by: Caller = ALICE) -> Lease:
    """The only lease."""
    return await revoke(scene.ports, request(by), stored(scene).id)


@pytest.mark.parametrize("caller", [ALICE, ADMINISTRATOR])
async def test_a_holder_and_an_admin_end_a_lease_at_once(scene: World, caller: Caller) -> None:
    """Nothing is left when they get their answer."""
    lease = await revoked(scene, caller)
    assert (State.ENDED, Cause.REVOKED, []) == (lease.state, lease.cause, scene.leftovers())
    assert [("issue", "done"), ("revoke", "done"), ("end", "done")] == scene.audit.told()


@pytest.mark.parametrize("caller", [BOB, WATCHER])
async def test_nobody_else_does(scene: World, caller: Caller) -> None:
    """An auditor may only read."""
    with pytest.raises(NotFound):
        await revoked(scene, caller)
    assert State.ACTIVE is stored(scene).state


@pytest.mark.parametrize("failing", ["authorization.unassign", "directory.purge"])
async def test_a_caller_who_tries_again_after_a_failure_is_not_kept_waiting(scene: World, failing: str) -> None:
    """What the first attempt has purged stands in the lease."""
    scene.calls.fail(failing, Refused("not now", status=403))
    assert State.ENDING is (await revoked(scene)).state
    began = scene.clock.monotonic()
    lease = await revoked(scene)
    assert (State.ENDED, []) == (lease.state, scene.leftovers())
    assert scene.clock.monotonic() - began < 1


async def test_revoking_twice_is_harmless(scene: World) -> None:
    """The second time nothing is called in Azure, and nothing new is told."""
    first = await revoked(scene)
    before = len([call for call in scene.calls.made if call.service in AZURE])
    assert first == await revoked(scene)
    assert before == len([call for call in scene.calls.made if call.service in AZURE])
    assert 1 == scene.audit.told().count(("end", "done"))


async def test_five_at_once_end_it_once() -> None:
    """Each gets an answer; the lease has ended with the last."""
    scene = world(role(), latency=0.3)
    await issued(scene)
    scene.clock.jump(300)
    leases = await asyncio.gather(*(revoked(scene) for _ in range(5)))
    assert {State.ENDED, State.ENDING} >= {lease.state for lease in leases}
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_a_refusal_by_azure_leaves_it_ending_with_the_reason(scene: World) -> None:
    """It is tried again later, and the caller sees why."""
    scene.calls.fail("authorization.unassign", Refused(azure_code="AuthorizationFailed"))
    lease = await revoked(scene)
    error = f"azure_refused: AuthorizationFailed at {SCOPES[0]}"
    assert (State.ENDING, 1, error) == (lease.state, lease.attempts, lease.last_error)
    assert ("end", "failed") == scene.audit.told()[-1]
    await swept(scene, after=60)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_the_pause_that_azure_asks_for_is_kept(scene: World) -> None:
    """The next attempt is not before it."""
    scene.calls.fail("authorization.unassign", Throttled(retry_after=500))
    lease = await revoked(scene)
    assert 500 <= (lease.due_at - scene.clock.now()).total_seconds()


async def test_a_lease_that_is_being_made_is_revoked() -> None:
    """Its issuer gets no credential, and nothing is left."""
    made = world(role(), latency=1.0)
    issue = asyncio.create_task(issued(made))
    await made.clock.sleep(5)
    lease = await revoked(made)
    assert State.ENDING is lease.state
    with pytest.raises(Interrupted):
        await issue
    await swept(made, after=600)
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_a_lease_whose_hold_was_renewed_at_that_moment_is_revoked_all_the_same() -> None:
    """Losing to a hold's renewal is no reason to answer that the lease is planned."""
    made = world(role(), latency=4.0)
    issue = asyncio.create_task(issued(made))
    await made.clock.sleep(13)
    planned = stored(made)

    async def beat() -> None:
        await made.leases.swap(planned.locked_until(planned.due_at), former=stored(made))

    made.calls.meanwhile(len(made.calls.made) + 2, beat)
    lease = await revoke(made.ports, request(), planned.id)
    assert State.PLANNED is not lease.state
    assert Cause.REVOKED is stored(made).cause
    with pytest.raises(Interrupted):
        await issue


async def test_a_renewal_that_comes_first_does_not_save_it(scene: World) -> None:
    """The revocation tries again."""

    async def renew() -> None:
        await scene.leases.swap(stored(scene).renewed(scene.clock.now() + timedelta(seconds=3000)), former=stored(scene))

    scene.calls.meanwhile(len(scene.calls.made) + 2, renew)
    assert State.ENDED is (await revoked(scene)).state


async def test_a_stuck_lease_is_tried_at_once(scene: World) -> None:
    """An operator that has mended something need not wait for the sweep."""
    scene.calls.fail("authorization.unassign", Refused(), times=16)
    for _ in range(7):
        await revoked(scene)
    lease = await revoked(scene)
    assert (State.STUCK, 8) == (lease.state, lease.attempts)
    assert State.ENDED is (await revoked(scene)).state


async def test_without_audit_a_revocation_is_an_error_and_still_happens(scene: World) -> None:
    """The lease is on its way out: the sweep ends it."""
    scene.calls.fail("audit.record", Unavailable())
    with pytest.raises(Unavailable):
        await revoked(scene)
    await swept(scene, after=21)
    assert (State.ENDED, Cause.REVOKED) == (stored(scene).state, stored(scene).cause)


@pytest.mark.parametrize("ordinal", range(1, 14))
async def test_a_lost_race_never_leaves_it(scene: World, ordinal: int) -> None:
    """Whoever is faster ends it: the answer is the lease as it then stands."""
    scene.calls.meanwhile(len(scene.calls.made) + ordinal, lambda: revoked(scene))
    assert State.ENDED is (await revoked(scene)).state


@pytest.mark.parametrize(("later", "again"), [(45.0, True), (90.0, False)])
async def test_an_attempt_soon_after_another_is_told_so(
    scene: World, monkeypatch: pytest.MonkeyPatch, later: float, *, again: bool
) -> None:
    """What the former has deleted may still be on its way to Azure's replicas: for a minute."""
    result: list[bool] = []
    undo = ServicePrincipalIssuer.undo

    async def noting(issuer: ServicePrincipalIssuer, footprint: ServicePrincipalFootprint, **more: Any) -> bool:
        result.append(more["again"])
        return await undo(issuer, footprint, **more)

    monkeypatch.setattr(ServicePrincipalIssuer, "undo", noting)
    scene.calls.fail("directory.delete_application", Refused())
    await revoked(scene)
    await swept(scene, after=later)
    assert [False, again] == result
    assert State.ENDED is stored(scene).state


async def test_what_another_worker_may_still_be_making_has_not_ended(scene: World) -> None:
    """Though everything was met and undone: it is looked at again once nothing of it can be under way."""
    lease = stored(scene)
    made_by = scene.clock.now() + timedelta(seconds=180)
    scene.leases.rows[lease.id] = replace(lease, state=State.PLANNED, made_by=made_by, due_at=scene.clock.now())
    assert State.ENDING is (await revoked(scene, ADMINISTRATOR)).state
    assert [] == scene.leftovers()
    await swept(scene, after=181)
    assert State.ENDING is stored(scene).state
    await swept(scene, after=180)
    assert State.ENDED is stored(scene).state
