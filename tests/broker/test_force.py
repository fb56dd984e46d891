from __future__ import annotations

import pytest

from shared.broker.ending.resume import resume
from shared.broker.force import revoke_as_operator
from shared.broker.inspect import status
from shared.core.caller import Caller
from shared.core.errors import Forbidden, NotFound, Unreachable
from shared.core.lease import ATTEMPTS_UNTIL_STUCK, Cause, Lease, State
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from shared.resilience.outages import Service
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, SCOPES, WATCHER, World, principal_target, request, role, world


@pytest.fixture
async def scene() -> World:
    """One active lease, some minutes old, whose first scope has been locked since."""
    made = world(role(principal_target(roles=12)))
    await issued(made)
    made.clock.jump(300)
    made.cloud.locked_scopes.add(SCOPES[0])
    return made


async def revoked(scene: World, by: Caller = ADMINISTRATOR, *, force: bool = True) -> Lease:
    """The only lease."""
    return await revoke_as_operator(scene.ports, request(by), stored(scene).id, force=force)


async def stick(scene: World) -> None:
    """Sweeps until the lease is stuck."""
    for _ in range(ATTEMPTS_UNTIL_STUCK):
        await swept(scene, after=1400)


async def test_a_stuck_lease_is_let_go(scene: World) -> None:
    """It has ended, and still says why it could not be ended."""
    await stick(scene)
    assert State.STUCK is stored(scene).state
    lease = await revoked(scene)
    error = f"azure_scope_locked: ScopeLocked at {SCOPES[0]}"
    assert (State.ENDED, Cause.EXPIRED, error) == (lease.state, lease.cause, lease.last_error)
    assert 0 == len((await status(scene.ports, request(ADMINISTRATOR))).stuck)


async def test_what_may_be_left_behind_is_audited(scene: World) -> None:
    """By name, with the operator and the last error: enough to go and look."""
    await stick(scene)
    await revoked(scene)
    events = [event for event in scene.audit.events if event.operation == "force_revoke"]
    footprint = stored(scene).footprint
    assert isinstance(footprint, ServicePrincipalFootprint)
    result = " ".join(event.reason for event in events)
    assert {ADMINISTRATOR} == {event.caller for event in events}
    assert {"azure_scope_locked"} == {event.code for event in events}
    assert all(f"{each.name} at {each.scope}" in result for each in footprint.assignments)
    assert all(str(name) in result for name in (footprint.unique_name, footprint.application_id, footprint.principal_id))
    assert all(thing.owner in result for thing in scene.leftovers())


async def test_it_is_tried_once_more_before_it_is_let_go(scene: World) -> None:
    """With the lock lifted nothing is left, and nothing is let go."""
    await stick(scene)
    scene.cloud.locked_scopes.clear()
    lease = await revoked(scene)
    assert (State.ENDED, "", []) == (lease.state, lease.last_error, scene.leftovers())
    assert ("force_revoke", "done") not in scene.audit.told()


async def test_a_live_lease_is_taken_back_as_usual_first(scene: World) -> None:
    """And let go only when it fails again: the first failure may pass by itself."""
    tried = await revoked(scene)
    assert (State.ENDING, 1) == (tried.state, tried.attempts)
    lease = await revoked(scene)
    assert (State.ENDED, Cause.REVOKED) == (lease.state, lease.cause)
    assert ["assignment"] == [thing.kind for thing in scene.leftovers()]
    assert [("issue", "done"), ("end", "failed"), ("revoke", "done"), ("force_revoke", "done")] == list(
        dict.fromkeys(scene.audit.told())
    )


async def test_without_force_a_lease_that_cannot_be_ended_stays(scene: World) -> None:
    """As with an ordinary revocation."""
    lease = await revoked(scene, force=False)
    assert (State.ENDING, 1) == (lease.state, lease.attempts)


async def test_it_may_be_asked_for_again(scene: World) -> None:
    """Once it has ended nothing is called, and nothing is told."""
    await stick(scene)
    first, before = await revoked(scene), list(scene.audit.events)
    calls = len([call for call in scene.calls.made if call.service in AZURE])
    assert first == await revoked(scene)
    assert (before, calls) == (scene.audit.events, len([call for call in scene.calls.made if call.service in AZURE]))


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize(("caller", "error"), [(ALICE, Forbidden), (BOB, NotFound), (WATCHER, NotFound)])
async def test_it_is_for_admins(scene: World, caller: Caller, error: type[Exception], force: bool) -> None:  # noqa: FBT001
    """A holder is told so; to others the lease does not exist."""
    with pytest.raises(error):
        await revoked(scene, caller, force=force)
    assert State.ACTIVE is stored(scene).state


async def test_a_lease_that_becomes_stuck_is_told_once_with_its_cause(scene: World) -> None:
    """However often it is tried afterwards."""
    await stick(scene)
    await swept(scene, after=7200)
    assert stored(scene).attempts > ATTEMPTS_UNTIL_STUCK
    (event,) = [event for event in scene.audit.events if event.operation == "stuck"]
    assert ("azure_scope_locked", f"expired: azure_scope_locked: ScopeLocked at {SCOPES[0]}", "failed") == (
        *(event.code, event.reason, event.outcome),
    )
    assert 1 == len((await status(scene.ports, request(ADMINISTRATOR))).stuck)


@pytest.mark.parametrize("attempts", [0, 1, ATTEMPTS_UNTIL_STUCK - 1])
async def test_nobody_waits_for_a_service_that_is_known_to_be_down(scene: World, attempts: int) -> None:
    """And nothing is let go that was not tried: the outage passes, and the lease is taken up then."""
    for _ in range(attempts):
        await swept(scene, after=1400)
    scene.ports.outages.note(Service.RESOURCE_MANAGER, answered=False)
    before = len(scene.calls.made)
    lease = await revoked(scene)
    assert (State.ENDING, attempts, "azure_unavailable") == (lease.state, lease.attempts, lease.last_error)
    assert AZURE.isdisjoint(call.service for call in scene.calls.made[before:])
    assert ("revoke", "done") in scene.audit.told()
    scene.cloud.locked_scopes.clear()
    assert 1 == await resume(scene.ports)


async def test_a_stuck_lease_is_let_go_after_a_glance_at_a_service_that_is_down(scene: World) -> None:
    """It may be what the service fails at: an operator's last resort does not wait for it, and works all the same."""
    await stick(scene)
    scene.calls.fail("authorization.unassign", Unreachable(), times=10_000)
    scene.ports.outages.note(Service.RESOURCE_MANAGER, answered=False)
    began = scene.clock.monotonic()
    lease = await revoked(scene)
    assert (State.ENDED, Cause.EXPIRED) == (lease.state, lease.cause)
    assert scene.clock.monotonic() - began <= 3
    assert ("force_revoke", "done") in scene.audit.told()


async def test_a_stuck_lease_ends_well_if_the_service_answers_again(scene: World) -> None:
    """That it is down is what the worker knew last."""
    await stick(scene)
    scene.cloud.locked_scopes.clear()
    scene.ports.outages.note(Service.RESOURCE_MANAGER, answered=False)
    assert (State.ENDED, "", []) == ((lease := await revoked(scene)).state, lease.last_error, scene.leftovers())


async def test_a_stuck_lease_is_not_let_go_while_the_service_comes_back(scene: World) -> None:
    """Two seconds are too little to undo a lease in: that is no failure."""
    await stick(scene)
    outages = scene.ports.outages
    outages.note(Service.RESOURCE_MANAGER, answered=False)

    def answers(call: MadeCall) -> None:
        if call.service == "authorization":
            outages.note(Service.RESOURCE_MANAGER, answered=True)

    scene.calls.watch = answers
    assert State.STUCK is (await revoked(scene)).state
    assert ("force_revoke", "done") not in scene.audit.told()


async def test_a_lease_at_which_a_service_fails_is_let_go(scene: World) -> None:
    """That nothing answers is known by this very attempt."""
    await swept(scene, after=1400)
    outages = scene.ports.outages

    def fails(call: MadeCall) -> None:
        if call.service == "authorization":
            outages.note(Service.RESOURCE_MANAGER, answered=False)

    scene.calls.watch = fails
    assert State.ENDED is (await revoked(scene)).state
