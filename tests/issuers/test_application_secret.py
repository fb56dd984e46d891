from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.core.application_lock import LockRecord
from shared.core.errors import (
    Absent,
    ConcurrentChange,
    Conflict,
    Full,
    Malformed,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
    Upstream,
)
from shared.core.names import ObjectId
from shared.core.protection import Protected
from shared.issuers.application_secret.issuer import MOST_CREDENTIALS, SCARCE
from shared.issuers.application_secret.lock import LASTS as TURN_LASTS
from shared.issuers.application_secret.schema import ApplicationSecretFootprint, ApplicationSecretTarget
from tests.fakes.cloud_state import StoredSecret
from tests.fakes.world import EXISTING, EXISTING_APP_ID, EXISTING_PRINCIPAL, TENANT, guid, secret_target, world
from tests.issuers.orders import Job
from tests.support.kinds import as_client_secret


def job(*, lag: float = 0.0, ready: str = "none") -> Job:
    """One order in a world of its own."""
    return Job(world(lag=lag), secret_target(ready=ready))


async def test_minting_takes_two_calls_and_undoing_one() -> None:
    """Nothing else of Azure's is touched."""
    one = job()
    await one.mint()
    assert await one.undo()
    calls = [call.name for call in one.world.calls.named("applications")]
    assert ["applications.credentials_of", "applications.add_secret", "applications.remove_secret"] == calls
    assert [] == one.world.leftovers()


async def test_the_credential_says_what_the_caller_needs() -> None:
    """Of the application that is there already."""
    one = job()
    credential = as_client_secret(await one.mint())
    ((key_id, stored),) = one.world.cloud.applications[EXISTING].secrets.items()
    assert ("application_secret", TENANT, EXISTING_APP_ID, EXISTING_PRINCIPAL, key_id, stored.text) == (
        credential.type,
        credential.tenant_id,
        credential.client_id,
        credential.object_id,
        credential.secret_id,
        credential.client_secret.reveal(),
    )
    assert (one.order.credential_end, one.order.lease_id) == (stored.end, stored.display_name)


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
    assert 1 == len(one.world.calls.named("applications.add_secret"))


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


@pytest.mark.parametrize(("fresh", "found"), [(True, True), (False, False)])
async def test_absence_of_a_young_secret_is_doubted(*, fresh: bool, found: bool) -> None:
    """Made a moment ago, it may not be visible yet."""
    one = job(lag=5.0)
    await one.mint()
    assert found is await one.undo(fresh=fresh)


async def test_a_young_secret_that_stays_away_was_not_met() -> None:
    """Somebody removed it by hand, or it comes to light later."""
    one = job()
    await one.mint()
    one.world.calls.fail("applications.remove_secret", Absent(), times=1000)
    assert not await one.undo(fresh=True)
    looks = [call.began for call in one.world.calls.named("applications.remove_secret")]
    assert looks[1] - looks[0] >= 0.5


async def test_a_young_secret_is_doubted_from_when_it_was_first_missed() -> None:
    """However long its turn was waited for: a crowd must not make it look gone."""
    one = job(lag=33.0)
    await one.mint()
    await one.world.locks.take(LockRecord(EXISTING, "another", one.world.clock.now() + timedelta(seconds=30)), former=None)
    busy = TURN_LASTS * 3

    async def renewing() -> None:
        while one.world.clock.monotonic() < began + busy:
            held = one.world.locks.rows[EXISTING]
            await one.world.locks.take(held, former=held)
            await one.world.clock.sleep(1)

    began = one.world.clock.monotonic()
    found, _ = await asyncio.gather(one.undo(fresh=True), renewing())
    assert (True, []) == (found, one.world.leftovers())


async def test_no_secret_is_made_after_the_orders_time() -> None:
    """Nobody would look for it any more."""
    one = Job(world(), secret_target(), seconds=0.0)
    with pytest.raises(Unreachable):
        await one.mint()
    assert [] == one.world.calls.named("applications")


async def test_resolving_reads_the_application() -> None:
    """Its client id and its service principal."""
    resolved = await world().issuers.secrets.resolve(ApplicationSecretTarget(EXISTING))
    assert secret_target() == resolved


@pytest.mark.parametrize("answer", [Absent(), Refused()])
async def test_resolving_an_application_that_cannot_be_read_is_a_fault(answer: Upstream) -> None:
    """Of the field that names it, and under the code that says so: it is not there, or not the broker's to read."""
    made = world()
    made.calls.fail("applications.read_application", answer)
    with pytest.raises(Malformed) as caught:
        await made.issuers.secrets.resolve(ApplicationSecretTarget(guid(0x999)))
    paths = [fault.path for fault in caught.value.faults]
    assert ("unresolvable", ["application_object_id"]) == (caught.value.stable_code, paths)


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
    assert [] == one.world.leftovers()


async def test_refuses_what_is_not_its_own() -> None:
    """Targets of the other kind are a defect."""
    one = job()
    other = one.world.issuers.principals
    with pytest.raises(TypeError, match="not a service principal target"):
        other.plan(one.order)


# Head-room


def furnished(one: Job, secrets: int = 0, certificates: int = 0, audience: str = "AzureADMyOrg") -> None:
    """The application holds so much already, none of it the broker's."""
    application = one.world.cloud.applications[EXISTING]
    for number in range(secrets):
        application.secrets[guid(0x5000 + number)] = StoredSecret("somebody's", one.order.credential_end, "text")
    application.certificates, application.sign_in_audience = certificates, audience


ROOM = [
    (MOST_CREDENTIALS - 1, 0, "AzureADMyOrg"),
    (1, MOST_CREDENTIALS - 2, "AzureADMultipleOrgs"),
    (1, 0, "AzureADandPersonalMicrosoftAccount"),
    (1, 7, "PersonalMicrosoftAccount"),
    (2, 0, "AzureADMultipleOrgs"),
]
NO_ROOM = [
    (MOST_CREDENTIALS, 0, "AzureADMyOrg"),
    (1, MOST_CREDENTIALS - 1, "AzureADMyOrg"),
    (2, 0, "AzureADandPersonalMicrosoftAccount"),
    (2, 0, "PersonalMicrosoftAccount"),
]


@pytest.mark.parametrize(("secrets", "certificates", "audience"), ROOM)
async def test_the_last_room_is_used(secrets: int, certificates: int, audience: str) -> None:
    """One more fits."""
    one = job()
    furnished(one, secrets, certificates, audience)
    await one.mint()
    assert secrets + 1 == len(one.world.cloud.applications[EXISTING].secrets)


@pytest.mark.parametrize(("secrets", "certificates", "audience"), NO_ROOM)
async def test_a_full_application_is_told_before_anything_is_made(secrets: int, certificates: int, audience: str) -> None:
    """Others' credentials count, and where personal accounts sign in there is room for two."""
    one = job()
    furnished(one, secrets, certificates, audience)
    with pytest.raises(Conflict) as caught:
        await one.mint()
    assert "application_full" == caught.value.stable_code
    assert [] == one.world.calls.named("applications.add_secret")
    assert {} == one.world.locks.rows


async def test_an_application_that_entra_calls_full_is_full() -> None:
    """Its size is Entra's to judge; the count is only a guess at it."""
    one = job()
    one.world.calls.fail("applications.add_secret", Full())
    with pytest.raises(Conflict) as caught:
        await one.mint()
    assert "application_full" == caught.value.stable_code


@pytest.mark.parametrize(("secrets", "counts"), [(MOST_CREDENTIALS - SCARCE - 1, 1), (MOST_CREDENTIALS - SCARCE, 2)])
async def test_where_room_is_scarce_it_is_counted_again_in_ones_turn(secrets: int, counts: int) -> None:
    """Where there is plenty, nobody waits while somebody counts."""
    one = job()
    furnished(one, secrets)
    held: list[bool] = []
    one.world.calls.watch = lambda call: held.append(EXISTING in one.world.locks.rows) if "credentials" in call.name else None
    await one.mint()
    assert [False, True][:counts] == held


async def test_an_application_that_fills_up_while_one_waits_is_told_in_ones_turn() -> None:
    """Somebody of another instance took the last room."""
    one = job()
    furnished(one, MOST_CREDENTIALS - 1)
    one.world.calls.meanwhile(2, lambda: _added(one))
    with pytest.raises(Conflict):
        await one.mint()
    assert [] == one.world.calls.named("applications.add_secret")


async def _added(one: Job) -> None:
    one.world.cloud.add_secret(EXISTING, "another's", one.order.credential_end)


@pytest.mark.parametrize("nth", [1, 2])
async def test_either_count_is_asked_for_again_when_it_is_not_answered(nth: int) -> None:
    """Reading twice does no harm."""
    one = job()
    furnished(one, MOST_CREDENTIALS - 1)
    one.world.calls.fail("applications.credentials_of", Unavailable(), nth=nth)
    await one.mint()
    assert MOST_CREDENTIALS == len(one.world.cloud.applications[EXISTING].secrets)


async def test_two_who_want_the_last_room_do_not_both_get_it() -> None:
    """What was counted is true until the secret is added."""
    one = job()
    furnished(one, 1, audience="PersonalMicrosoftAccount")
    one.world.calls.latency = 0.3
    results = await asyncio.gather(one.mint(), Job(one.world, one.target).mint(), return_exceptions=True)
    assert ["ClientSecretCredential", "Conflict"] == sorted(type(result).__name__ for result in results)
    assert 2 == len(one.world.cloud.applications[EXISTING].secrets)


# Turns


async def test_every_change_is_made_in_a_turn() -> None:
    """Nobody has one before or after."""
    one = job()
    held: list[tuple[str, bool]] = []
    one.world.calls.watch = lambda call: held.append((call.name, EXISTING in one.world.locks.rows))
    await one.mint()
    await one.undo()
    changes = {name: lock for name, lock in held if name.endswith("_secret")}
    assert {"applications.add_secret": True, "applications.remove_secret": True} == changes
    assert {} == one.world.locks.rows


async def test_the_turn_is_given_back_between_two_attempts() -> None:
    """Others need not wait for one's pauses."""
    one = job()
    one.world.calls.fail("applications.add_secret", ConcurrentChange(), times=2)
    await one.mint()
    assert (3, 3) == tuple(len(one.world.calls.named(f"locks.{name}")) for name in ("take", "release"))


async def test_a_crowd_at_one_application_meets_no_concurrency_violation() -> None:
    """Entra would refuse whoever changes it while another does."""
    one = job()
    jobs = [one, *(Job(one.world, one.target) for _ in range(19))]
    one.world.calls.latency = 0.3
    await asyncio.gather(*(each.mint() for each in jobs))
    await asyncio.gather(*(each.undo() for each in jobs))
    changes = one.world.calls.named("applications.add_secret") + one.world.calls.named("applications.remove_secret")
    assert all(before.over is not None and before.over <= after.began for before, after in pairwise(changes))
    assert (40, []) == (len(changes), one.world.leftovers())


async def test_a_turn_that_does_not_come_in_time_is_azure_busy() -> None:
    """The order's time is over; nothing was made."""
    one = Job(world(), secret_target(), seconds=5.0)
    stored = LockRecord(EXISTING, "another", one.world.clock.now() + timedelta(hours=1))
    await one.world.locks.take(stored, former=None)
    with pytest.raises(ConcurrentChange):
        await one.mint()
    assert [] == one.world.calls.named("applications.add_secret")


async def test_where_there_may_be_several_secrets_all_are_removed_and_none_is_sure_to_be_the_last() -> None:
    """A worker that died may have asked for one that comes late: only time tells."""
    one = job()
    await one.mint()
    one.world.cloud.add_secret(EXISTING, one.order.lease_id, one.order.credential_end)
    one.world.cloud.add_secret(EXISTING, "another lease's", one.order.credential_end)
    assert not await one.undo(fresh=True, maybe_more=True)
    assert ["another lease's"] == [thing.owner for thing in one.world.leftovers()]


async def test_the_key_id_is_noted_as_soon_as_it_is_known() -> None:
    """A worker that fails behind it knows which secret to remove."""
    one = job()
    await one.mint()
    ((key_id, _),) = one.world.cloud.applications[EXISTING].secrets.items()
    assert [ApplicationSecretFootprint(EXISTING, display_name=one.order.lease_id, key_id=key_id)] == one.noted


async def test_a_fresh_secret_finds_the_application_full() -> None:
    """As a first one does."""
    one = job()
    await one.mint()
    one.world.calls.fail("applications.add_secret", Full())
    with pytest.raises(Conflict) as caught:
        await one.issuer.credential(replace(one.order, rotating=True), one.footprint, lambda _: None)
    assert "application_full" == caught.value.stable_code
