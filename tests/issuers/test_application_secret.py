from __future__ import annotations

from dataclasses import replace

import pytest

from shared.core.errors import Absent, ConcurrentChange, Malformed, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.footprint import ApplicationSecretFootprint
from shared.core.names import ObjectId
from shared.core.protection import Protected
from shared.core.role import ApplicationSecretTarget
from tests.fakes.world import EXISTING, EXISTING_APP_ID, EXISTING_PRINCIPAL, TENANT, guid, secret_target, world
from tests.issuers.orders import Job


def job(*, lag: float = 0.0, ready: str = "none") -> Job:
    """One order in a world of its own."""
    return Job(world(lag=lag), secret_target(ready=ready))


async def test_minting_and_undoing_take_one_call_each() -> None:
    """Nothing else is touched."""
    one = job()
    await one.mint()
    assert await one.undo()
    assert ["applications.add_secret", "applications.remove_secret"] == one.world.calls.names()
    assert [] == one.world.leftovers()


async def test_the_credential_says_what_the_caller_needs() -> None:
    """Of the application that is there already."""
    one = job()
    credential = (await one.mint()).credential
    ((key_id, kept),) = one.world.cloud.applications[EXISTING].secrets.items()
    assert ("application_secret", TENANT, EXISTING_APP_ID, EXISTING_PRINCIPAL, key_id, kept.text) == (
        credential.type,
        credential.tenant_id,
        credential.client_id,
        credential.object_id,
        credential.secret_id,
        credential.client_secret.reveal(),
    )
    assert (one.order.secret_end, one.order.lease_id) == (kept.end, kept.display_name)


@pytest.mark.parametrize("error", [Throttled(), ConcurrentChange()])
async def test_a_failure_without_effect_is_repeated(error: Upstream) -> None:
    """One secret is made in the end."""
    one = job()
    one.world.calls.fail("applications.add_secret", error, times=3)
    await one.mint()
    assert 1 == len(one.world.leftovers())


@pytest.mark.parametrize("error", [Unavailable(), Unreachable(), Refused(), Absent()])
async def test_a_lost_answer_is_not_asked_for_again(error: Upstream) -> None:
    """It would make a second secret."""
    one = job()
    one.world.calls.fail("applications.add_secret", error, after=True)
    with pytest.raises(type(error)):
        await one.mint()
    assert 1 == len(one.world.calls.made)


async def test_a_secret_whose_answer_was_lost_is_found_by_its_name() -> None:
    """Its key id was never learned."""
    one = job()
    one.world.calls.fail("applications.add_secret", Unreachable(), after=True)
    with pytest.raises(Unreachable):
        await one.mint()
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_other_secrets_of_the_application_stay() -> None:
    """Undo removes its own lease's and no other's."""
    one = job()
    other = Job(one.world, one.target)
    await one.mint()
    await other.mint()
    one.footprint = one.issuer.plan(one.order)
    await one.undo()
    assert [other.order.lease_id] == [thing.owner for thing in one.world.leftovers()]


async def test_undo_goes_on_after_a_failure() -> None:
    """Of two secrets of one name the second is removed though the first is not."""
    one = job()
    for _ in range(2):
        await one.mint()
    one.footprint = one.issuer.plan(one.order)
    one.world.calls.fail("applications.remove_secret", Refused())
    with pytest.raises(Refused):
        await one.undo()
    assert 1 == len(one.world.leftovers())


async def test_undo_of_nothing_succeeds_and_says_so() -> None:
    """No secret of that name was met."""
    assert not await job().undo()


async def test_undo_succeeds_when_the_application_is_gone() -> None:
    """Its secrets went with it."""
    one = job()
    one.world.cloud.applications.clear()
    assert await one.undo()


@pytest.mark.parametrize(("young", "met"), [(True, True), (False, False)])
async def test_absence_of_a_young_secret_is_doubted(*, young: bool, met: bool) -> None:
    """Made a moment ago, it may not be visible yet."""
    one = job(lag=5.0)
    await one.mint()
    assert met is await one.undo(young=young)


async def test_no_secret_is_made_after_the_orders_time() -> None:
    """Nobody would look for it any more."""
    one = Job(world(), secret_target(), seconds=0.0)
    with pytest.raises(Unreachable):
        await one.mint()
    assert [] == one.world.calls.made


@pytest.mark.parametrize(("ready", "expected"), [("none", False), ("token", True)])
async def test_a_credential_is_tried_out_when_the_role_says_so(ready: str, *, expected: bool) -> None:
    """Else nobody waits."""
    assert expected is (await job(ready=ready).mint()).ready


async def test_resolving_reads_the_application() -> None:
    """Its client id and its service principal."""
    resolved = await world().issuers.secrets.resolve(ApplicationSecretTarget(EXISTING))
    assert secret_target() == resolved


async def test_resolving_an_unknown_application_is_a_fault() -> None:
    """Of the field that names it."""
    with pytest.raises(Malformed) as caught:
        await world().issuers.secrets.resolve(ApplicationSecretTarget(guid(0x999)))
    assert ["application_object_id"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("identity", [EXISTING, EXISTING_APP_ID, EXISTING_PRINCIPAL])
async def test_resolving_refuses_the_brokers_own(identity: ObjectId) -> None:
    """By whichever of its ids it is known."""
    made = world(protected=Protected(frozenset({identity})))
    with pytest.raises(Malformed) as caught:
        await made.issuers.secrets.resolve(ApplicationSecretTarget(EXISTING))
    assert "protected_target" == caught.value.stable_code


async def test_a_role_that_was_never_resolved_is_a_defect() -> None:
    """Told before anything is made."""
    one = Job(world(), ApplicationSecretTarget(EXISTING))
    with pytest.raises(TypeError, match="never resolved"):
        await one.mint()
    assert isinstance(one.footprint, ApplicationSecretFootprint)
    assert [] == one.world.leftovers()


async def test_refuses_what_is_not_its_own() -> None:
    """Targets and footprints of the other kind are a defect."""
    one = job()
    other = one.world.issuers.principals
    with pytest.raises(TypeError, match="not a service principal target"):
        other.plan(one.order)
    with pytest.raises(TypeError, match="not a service principal's footprint"):
        await other.undo(one.footprint, young=False, wait_until=0)


async def test_where_there_may_be_several_secrets_all_are_removed_and_none_is_sure_to_be_the_last() -> None:
    """A worker that died may have asked for one that comes late: only time tells."""
    one = job()
    minted = await one.mint()
    assert isinstance(minted.footprint, ApplicationSecretFootprint)
    one.world.cloud.add_secret(EXISTING, one.order.lease_id, one.order.secret_end)
    one.world.cloud.add_secret(EXISTING, "another lease's", one.order.secret_end)
    one.footprint = replace(minted.footprint, several=True)
    assert not await one.undo(young=True)
    assert ["another lease's"] == [thing.owner for thing in one.world.leftovers()]
