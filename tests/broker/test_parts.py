"""Leases with several parts: each is undone on its own, the access first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.force import revoke_as_operator
from shared.broker.reconcile.reconcile import Result, reconcile
from shared.broker.revoke import revoke
from shared.core import ownership
from shared.core.errors import Refused, Throttled, Unreachable
from shared.core.lease import Cause, Lease, State
from shared.resilience.outages import Service
from tests.broker.scenes import stored, swept
from tests.fakes.cloud_state import Thing
from tests.fakes.world import ADMINISTRATOR, World, request
from tests.support.every_kind import EVERY_KIND
from tests.support.operations import TARGETS, only
from tests.support.toy_part import TAKES_BACK, ParcelFootprint, ParcelIssuer, delivering, parcel_is_there, with_lockers

_SETTLED = 200.0
"""Seconds after which absence is believed; the lease lasts for longer."""
_KIND = "service principal"
_OF_THE_KIND = EVERY_KIND[_KIND].undoes


async def scene(kind: str = _KIND, *, age: float = _SETTLED) -> World:
    """A lease with a parcel, of that age in seconds."""
    made = with_lockers(TARGETS[kind])
    await delivering(made)
    made.clock.jump(age)
    return made


async def revoked(world: World) -> Lease:
    """Alice gives the lease back."""
    return await revoke(world.ports, request(), only(world))


def asked_of(world: World, began: int) -> set[str]:
    """The services that were called since then, but for the broker's own storage."""
    return {call.service for call in world.calls.made[began:]} & {
        "directory",
        "authorization",
        "applications",
        "doors",
        "lockers",
    }


@pytest.mark.parametrize("kind", TARGETS)
async def test_the_access_is_undone_before_what_was_put_elsewhere(kind: str) -> None:
    """Each part once, and then the lease has ended."""
    world = await scene(kind)
    began = len(world.calls.made)
    assert State.ENDED is (await revoked(world)).state
    names = world.calls.names()[began:]
    assert names.index(EVERY_KIND[kind].undoes) < names.index(TAKES_BACK)
    assert [] == world.leftovers()
    assert frozenset() == stored(world).undone


@pytest.mark.parametrize(
    ("parcel", "principal", "error"),
    [
        ("failed", "undone", "azure_refused: ParcelHeld"),
        ("undone", "failed", "azure_refused: PrincipalHeld"),
        ("failed", "failed", "azure_refused: PrincipalHeld"),
    ],
)
async def test_a_part_that_fails_stays_and_holds_back_no_other(parcel: str, principal: str, error: str) -> None:
    """The first failure is the lease's last error. The next attempt looks for nothing that is undone."""
    world = await scene()
    for call, how, what in ((TAKES_BACK, parcel, "ParcelHeld"), (_OF_THE_KIND, principal, "PrincipalHeld")):
        if how == "failed":
            world.calls.fail(call, Refused(azure_code=what))
    lease = await revoked(world)
    assert (State.ENDING, 1, error) == (lease.state, lease.attempts, lease.last_error)
    assert (parcel == "failed", principal == "failed") == (
        parcel_is_there(world),
        any(each.wanted for each in world.cloud.applications.values()),
    )
    left = [part.type for part in lease.left.values()]
    assert [name for name, how in (("service_principal", principal), ("parcel", parcel)) if how == "failed"] == left
    began = len(world.calls.made)
    await swept(world, after=60)
    wanted = ({"lockers"} if parcel == "failed" else set()) | ({"directory"} if principal == "failed" else set())
    assert wanted == asked_of(world, began) - {"authorization"}
    assert State.ENDED is stored(world).state
    assert [] == world.leftovers()


async def test_what_is_undone_is_stored_with_the_next_move_of_the_lease() -> None:
    """A worker that dies while a later part takes its time has not undone the former ones in vain."""
    world = await scene()
    world.calls.fail(TAKES_BACK, Throttled(status=429, retry_after=15.0), times=1)
    known: list[frozenset[int]] = []

    def watch(_: object) -> None:
        known.append(stored(world).undone)

    world.calls.watch = watch
    await revoked(world)
    assert frozenset({0}) in known


async def test_a_part_that_hangs_leaves_the_others_their_time() -> None:
    """Of the seconds that a caller waits, each part has its share."""
    world = await scene()
    world.calls.fail(TAKES_BACK, Unreachable(), times=1000)
    began = world.clock.monotonic()
    lease = await revoked(world)
    assert world.clock.monotonic() - began <= world.ports.timing.inline_undo + 1.0
    assert [1] == [*lease.left]
    assert [Thing("parcel", ownership.unique_name(lease.id))] == world.leftovers()


async def test_a_part_that_is_out_of_reach_keeps_nobody_from_undoing_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only if each part that is left asks a service that is down, the lease is put off at once."""
    world = await scene()
    world.ports.outages.note(Service.GRAPH, answered=False)
    world.ports.outages.note(Service.RESOURCE_MANAGER, answered=False)
    world.calls.fail(TAKES_BACK, Unreachable(), times=1000)
    world.calls.fail(_OF_THE_KIND, Unreachable(), times=1000)
    assert 1 == (await revoked(world)).attempts
    asking = frozenset({Service.GRAPH})
    monkeypatch.setattr("tests.support.toy_part.ParcelSchema.services", lambda *_: asking)
    another = await scene()
    another.ports.outages.note(Service.GRAPH, answered=False)
    began = len(another.calls.made)
    assert State.ENDING is (await revoked(another)).state
    assert set() == asked_of(another, began)


async def test_a_part_that_breaks_holds_back_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of whoever answers for it is told, and the lease is tried again."""

    async def broken(*_: object, **__: object) -> bool:
        raise ZeroDivisionError

    world = await scene()
    with monkeypatch.context() as broke:
        broke.setattr(ParcelIssuer, "undo", broken)
        with pytest.raises(ZeroDivisionError):
            await revoked(world)
        assert {"parcel"} == {thing.kind for thing in world.leftovers()}
    await swept(world, after=60)
    assert State.ENDED is stored(world).state


async def test_a_part_in_doubt_waits_for_itself_alone() -> None:
    """It is absent, and may only be unseen yet: the others are undone, and nobody asks for them again."""
    world = await scene(age=10)
    world.cloud.elsewhere.clear()
    lease = await revoked(world)
    assert (State.ENDING, [1], 0) == (lease.state, [*lease.left], lease.attempts)
    assert [] == world.leftovers()
    began = len(world.calls.made)
    await swept(world, after=_SETTLED)
    assert State.ENDED is stored(world).state
    assert {"lockers"} == asked_of(world, began)


async def test_nothing_is_undone_for_good_while_another_may_still_be_making_it() -> None:
    """Every part is looked for again once nothing can be under way."""
    world = await scene()
    lease = stored(world)
    made_by = world.clock.now() + timedelta(seconds=180)
    world.leases.rows[lease.id] = replace(lease, state=State.PLANNED, made_by=made_by, due_at=world.clock.now())
    assert [0, 1] == [*(await revoke(world.ports, request(ADMINISTRATOR), lease.id)).left]
    await swept(world, after=181 + 180)
    assert State.ENDED is stored(world).state


async def test_what_an_operator_lets_go_of_is_the_part_that_is_left() -> None:
    """The audit trail names nothing that is gone."""
    world = await scene()
    world.calls.fail(TAKES_BACK, Refused(), times=2)
    await revoked(world)
    ended = await revoke_as_operator(world.ports, request(ADMINISTRATOR), only(world), force=True)
    assert State.ENDED is ended.state
    (reason,) = [event.reason for event in world.audit.events if event.operation == "force_revoke"]
    assert reason.endswith(f"may be left behind: parcel {ownership.unique_name(ended.id)}")


async def test_a_part_whose_record_is_lost_is_an_orphan_of_its_own() -> None:
    """The reconciliation finds it by the survey of whoever answers for it."""
    world = await scene()
    world.leases.rows.clear()
    world.clock.jump(2 * 3600)
    found = (await reconcile(world.ports, "r")).findings
    assert {("application", Result.REMOVED), ("parcel", Result.REMOVED)} <= {(each.type, each.result) for each in found}
    assert [] == world.leftovers()


async def test_what_a_live_lease_has_is_no_orphan() -> None:
    """Of either part."""
    world = await scene()
    assert () == (await reconcile(world.ports, "r")).findings
    assert parcel_is_there(world)


async def test_a_lease_whose_principal_somebody_deleted_takes_its_parcel_along() -> None:
    """It has nothing to stand on: every part goes."""
    world = await scene()
    for application in [each for each in world.cloud.applications.values() if each.wanted]:
        world.cloud.delete_application(application.object_id)
    await reconcile(world.ports, "r")
    await swept(world, after=900)
    assert (State.ENDED, Cause.VANISHED) == (stored(world).state, stored(world).cause)
    assert [] == world.leftovers()


async def test_a_lease_is_renewed_and_its_secret_replaced_beside_its_other_part() -> None:
    """What is learned of the kind's own part leaves the others as they are."""
    world = await scene()
    parcel = stored(world).parts[1]
    assert isinstance(parcel, ParcelFootprint)
    assert parcel.number is not None
    known = (
        stored(world)
        .rotating(world.ports.now())
        .rotated(stored(world).footprint, world.ports.now(), ready=True, maybe_more_secrets=False)
    )
    assert parcel == known.parts[1]
