from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from shared.core.errors import Absent, AmbiguousRefusal, Locked, Refused, Unreachable
from shared.core.names import ObjectId
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.fakes.world import SCOPES
from tests.issuers.orders import Job
from tests.issuers.orders import principal_job as job


async def test_undo_cuts_access_first() -> None:
    """Assignments, memberships, principal, application, recycle bin."""
    one = job(2, 1)
    await one.mint()
    before = len(one.world.calls.made)
    await one.undo()
    assert [
        "authorization.unassign",
        "authorization.unassign",
        "directory.remove_member",
        "directory.delete_principal",
        "directory.delete_application",
        "directory.purge",
        "directory.purge",
    ] == one.world.calls.names()[before:]


UNDO_CALLS = [
    "authorization.unassign",
    "directory.remove_member",
    "directory.delete_principal",
    "directory.delete_application",
    "directory.purge",
]


@pytest.mark.parametrize("call", UNDO_CALLS)
async def test_undo_goes_on_after_a_failure_and_tells_it(call: str) -> None:
    """All other parts are undone; the next attempt finishes."""
    one = job(2, 2)
    await one.mint()
    one.world.calls.fail(call, Refused("first"))
    with pytest.raises(Refused):
        await one.undo()
    assert 2 >= len(one.world.leftovers())
    await one.undo()
    assert [] == one.world.leftovers()


async def test_the_bin_is_not_waited_for_where_the_deletion_has_failed() -> None:
    """Nothing need be in it: it is asked once."""
    one = job(0, 0)
    await one.mint()
    one.world.calls.fail("directory.delete_application", Refused())
    one.world.calls.fail("directory.purge", Absent(), nth=2, times=100)
    began = one.world.clock.monotonic()
    with pytest.raises(Refused):
        await one.undo()
    assert (began, 2) == (one.world.clock.monotonic(), len(one.world.calls.named("directory.purge")))


async def test_undo_raises_the_first_failure() -> None:
    """A locked scope, not the trouble that came later."""
    one = job(2, 1)
    await one.mint()
    one.world.cloud.locked_scopes.add(SCOPES[0])
    one.world.calls.fail("directory.delete_principal", Refused())
    with pytest.raises(Locked):
        await one.undo()


@pytest.mark.parametrize("call", UNDO_CALLS[:-1])
async def test_absence_at_any_step_is_success(call: str) -> None:
    """Of an old object; but not everything was met."""
    one = job(1, 1)
    await one.mint()
    one.world.calls.fail(call, Absent())
    assert not await one.undo()


async def test_a_lost_scope_is_success() -> None:
    """Its assignments went with it."""
    one = job(2, 0)
    await one.mint()
    one.world.cloud.assignments.clear()
    one.world.cloud.lost_scopes.update(SCOPES)
    assert not await one.undo()
    assert [] == one.world.leftovers()


async def test_absence_of_what_is_young_is_doubted() -> None:
    """Made a moment ago and not visible for five seconds: found and deleted."""
    one = job(1, 1, lag=5.0)
    await one.mint()
    assert await one.undo(fresh=True)
    assert [] == one.world.leftovers()


async def test_absence_of_what_is_young_is_told_as_not_met() -> None:
    """After ten seconds a look; whoever asked comes again."""
    one = job(1, 0)
    began = one.world.clock.monotonic()
    assert not await one.undo(fresh=True)
    assert 0 < one.world.clock.monotonic() - began <= 60


async def test_absence_of_what_is_old_is_believed_at_once() -> None:
    """No waiting for what has been gone for long."""
    one = job(1, 0)
    began = one.world.clock.monotonic()
    assert not await one.undo()
    assert began == one.world.clock.monotonic()


async def test_a_recycle_bin_that_is_behind_is_asked_again() -> None:
    """What was deleted just now must be there."""
    one = job(1, 0, lag=4.0)
    await one.mint()
    one.world.clock.jump(60)
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_a_recycle_bin_that_stays_behind_is_a_failure() -> None:
    """Never taken for an empty one."""
    one = job(1, 0, lag=30.0)
    await one.mint()
    one.world.clock.jump(60)
    with pytest.raises(Absent):
        await one.undo()
    one.world.clock.jump(60)
    await one.undo()
    assert [] == one.world.leftovers()


async def test_a_recycle_bin_is_doubted_after_a_lost_answer() -> None:
    """The deletion took effect, its answer was lost, its repeat found nothing: still it was deleted just now."""
    one = job(1, 0, lag=4.0)
    await one.mint()
    one.world.clock.jump(60)
    one.world.calls.fail("directory.delete_application", Unreachable(), after=True)
    await one.undo()
    assert [] == one.world.leftovers()


async def deleted_by_hand(lag: float, part: str) -> Job:
    """Minted long ago; somebody has deleted a part of it just now. The bin shows that after ``lag`` seconds."""
    one = job(0, 0, lag=lag)
    await one.mint()
    one.world.clock.jump(1000)
    made = cast("ServicePrincipalFootprint", one.footprint)
    if part == "application":
        one.world.cloud.delete_application(cast("ObjectId", made.application_id))
    else:
        one.world.cloud.delete_principal(cast("ObjectId", made.principal_id))
    return one


@pytest.mark.parametrize("part", ["principal", "application"])
async def test_a_recycle_bin_is_doubted_after_somebody_else_has_deleted(part: str) -> None:
    """Nobody knows when that was: perhaps just now, and the bin does not show it yet."""
    one = await deleted_by_hand(20.0, part)
    assert not await one.undo()
    assert [] == one.world.leftovers()


async def test_a_recycle_bin_that_cannot_be_doubted_for_long_enough_is_a_failure() -> None:
    """A caller waits, and there is less time than the bin may be behind: the next attempt has more."""
    one = await deleted_by_hand(25.0, "application")
    with pytest.raises(Absent):
        await one.undo(seconds=20.0)
    await one.undo()
    assert [] == one.world.leftovers()


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_purged_by_hand_is_looked_for_once(*, again: bool) -> None:
    """The principal and the application together for no longer than the bin may be behind, and some seconds."""
    one = await deleted_by_hand(0.0, "application")
    one.world.cloud.bin.clear()
    began = one.world.clock.monotonic()
    assert not await one.undo(again=again)
    assert 20 < one.world.clock.monotonic() - began <= 40


REFUSING = ["directory.add_secret", "authorization.assign", "directory.add_member"]


@pytest.mark.parametrize("call", REFUSING)
async def test_what_azure_has_refused_for_certain_is_not_looked_for(call: str) -> None:
    """Nor what was not yet asked for: whoever is told no need not wait until absence may be believed."""
    one = job(1, 1)
    one.world.calls.fail(call, Refused("no", status=403), times=100)
    with pytest.raises(Refused):
        await one.mint()
    began = one.world.clock.monotonic()
    assert await one.undo(fresh=True)
    assert (began, []) == (one.world.clock.monotonic(), one.world.leftovers())


@pytest.mark.parametrize("call", REFUSING[1:])
async def test_what_may_have_been_made_before_it_was_refused_is_looked_for(call: str) -> None:
    """The first answer was lost."""
    one = job(1, 1)
    one.world.calls.fail(call, Unreachable())
    one.world.calls.fail(call, Refused("no", status=403), times=100)
    with pytest.raises(Refused):
        await one.mint()
    began = one.world.clock.monotonic()
    assert not await one.undo(fresh=True)
    assert one.world.clock.monotonic() - began > 5


@pytest.mark.parametrize("lost", [0, 1])
async def test_one_refusal_says_nothing_of_the_others(lost: int) -> None:
    """Those took effect, and do not show for some seconds: they are found."""
    one = job(2, 2, lag=5.0)
    for call in REFUSING[1:]:
        one.world.calls.fail(call, Refused("no", status=403), nth=1 + lost)
    with pytest.raises(Refused):
        await one.mint()
    assert await one.undo(fresh=True)
    assert [] == one.world.leftovers()


PARTS = ["principal", "application"]


async def half_purged(failing: str) -> Job:
    """The principal and the application are deleted; the bin keeps one of them for now."""
    one = job(0, 0)
    await one.mint()
    one.world.calls.fail("directory.purge", Refused("not now"), nth=1 + PARTS.index(failing))
    with pytest.raises(Refused):
        await one.undo()
    one.world.calls.made.clear()
    return one


@pytest.mark.parametrize("failing", PARTS)
async def test_what_an_attempt_has_purged_the_next_does_not_look_for(failing: str) -> None:
    """The bin is not asked for 30 seconds whether it is behind: of that object nothing is left anywhere."""
    one = await half_purged(failing)
    began = one.world.clock.monotonic()
    await one.undo(again=True)
    assert [f"directory.delete_{failing}", "directory.purge"] == one.world.calls.names()
    assert ([], began) == (one.world.leftovers(), one.world.clock.monotonic())


async def test_what_is_not_known_to_be_purged_is_asked_for_until_the_bin_cannot_be_behind() -> None:
    """Its worker may have died before it could note that."""
    one = await half_purged("application")
    one.footprint = replace(cast("ServicePrincipalFootprint", one.footprint), purged=())
    began = one.world.clock.monotonic()
    await one.undo(again=True)
    assert one.world.clock.monotonic() - began > 25


async def test_what_a_bin_does_not_show_counts_as_purged_for_nobody() -> None:
    """It may come to light."""
    one = job(0, 0)
    await one.mint()
    one.world.calls.fail("directory.purge", Absent(), times=1000)
    with pytest.raises(Absent):
        await one.undo()
    assert () == cast("ServicePrincipalFootprint", one.footprint).purged


@pytest.fixture
async def hidden() -> Job:
    """An application whose principal was made, and is shown to nobody; nobody was told its id."""
    one = job(1, 0)
    await one.mint()
    one.footprint = replace(cast("ServicePrincipalFootprint", one.footprint), principal_id=None, secret_id=None)
    one.world.calls.fail("directory.find_principal", Absent(), times=1000)
    return one


async def test_an_application_does_not_take_an_unknown_principal_into_the_bin(hidden: Job) -> None:
    """Who deletes the application deletes its principal, which nobody could remove from the bin: it is named before."""
    assert await hidden.undo(fresh=True)
    assert [] == hidden.world.leftovers()


@pytest.mark.parametrize("no", [Refused("forbidden", status=403), AmbiguousRefusal("no such application", status=400)])
async def test_an_application_whose_principal_cannot_be_made_has_none(hidden: Job, no: Refused) -> None:
    """Azure says so: the application goes."""
    hidden.world.cloud.principals.clear()
    hidden.world.calls.fail("directory.create_principal", no, times=1000)
    assert not await hidden.undo(fresh=True)
    assert [] == hidden.world.leftovers()


async def test_a_defect_while_a_principal_is_made_is_not_taken_for_a_no(hidden: Job) -> None:
    """Its id would be lost."""
    hidden.world.calls.fail("directory.create_principal", RuntimeError("a defect"))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        await hidden.undo(fresh=True)
    assert [] != hidden.world.leftovers()


async def test_an_old_application_without_a_principal_gets_none(hidden: Job) -> None:
    """Absence is believed."""
    hidden.world.cloud.principals.clear()
    before = hidden.world.calls.names().count("directory.create_principal")
    assert not await hidden.undo()
    assert (before, []) == (hidden.world.calls.names().count("directory.create_principal"), hidden.world.leftovers())
