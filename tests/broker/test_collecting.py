"""Collecting the credential of a lease for which nobody has waited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.core.access.bounds import Bounds
from shared.core.errors import Conflict, Forbidden, Gone, LeaseholdError, NotFound, Refused, Unavailable
from shared.core.lease import Cause, State
from shared.core.preparing import PreparationFailed
from shared.core.role import Target
from shared.kinds.kind import Order
from tests.broker.preparing import AT_ONCE, LENIENT, asked, collected, handed_out, prepared, taken, unproven
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, WEB, World, principal_target, request, role, world
from tests.support import pooling
from tests.support.every_kind import WITH_SECRETS, is_held, kinds_for, works
from tests.support.operations import OTHER_TARGET, TARGETS

EACH_SECRET = pytest.mark.parametrize("target", [pytest.param(TARGETS[kind], id=kind) for kind in WITH_SECRETS])
PROVEN = principal_target(1, 0, ready="token")


async def test_the_time_of_a_lease_begins_with_its_credential() -> None:
    """However long it has waited. The issue is told in the audit trail then."""
    scene = world(role(ttl=600))
    await prepared(scene)
    scene.clock.jump(500)
    lease = (await handed_out(scene)).lease
    assert (scene.clock.now(), scene.clock.now() + timedelta(seconds=600)) == (lease.issued_at, lease.expires_at)
    assert [("prepare", ALICE), ("issue", ALICE)] == [(each.operation, each.caller) for each in scene.audit.events]
    await swept(scene, after=599)
    assert State.ACTIVE is stored(scene).state
    await swept(scene, after=1)
    assert Cause.EXPIRED is stored(scene).cause


async def test_the_holder_alone_collects() -> None:
    """Not even an administrator does, and what there is is not told."""
    scene = world(role())
    await prepared(scene)
    for other in (BOB, ADMINISTRATOR):
        with pytest.raises(NotFound):
            await collected(scene, by=request(other))
    assert State.PREPARED is stored(scene).state


async def test_what_is_pooled_is_nobodys_to_collect() -> None:
    """It has no holder."""
    scene = world(role())
    await pooling.fill(scene.ports, WEB)
    with pytest.raises(NotFound):
        await collected(scene, by=request(ADMINISTRATOR))


async def test_a_lease_that_is_being_made_is_waited_for() -> None:
    """For as long as the caller says; then it is told to come back."""
    scene = world(role())
    await asked(scene)
    began = scene.clock.now()
    found = await collected(scene, Preference(wait=20))
    assert isinstance(found, Accepted)
    assert 15 <= (scene.clock.now() - began).total_seconds() <= 20
    assert isinstance(await collected(scene, AT_ONCE), Accepted)

    async def later() -> None:
        await scene.clock.sleep(10)
        await taken(scene)

    given, _ = await asyncio.gather(collected(scene, Preference(wait=30)), later())
    assert isinstance(given, Issued)


async def test_a_poll_that_does_not_wait_collects_what_is_prepared() -> None:
    """A client may send the headers of its ask with each poll. It is answered at once until there is something to collect.

    There is no later answer for which the credential could be made.
    """
    scene = world(role(PROVEN))
    await asked(scene)
    began = scene.clock.monotonic()
    assert isinstance(await collected(scene, AT_ONCE), Accepted)
    assert began == scene.clock.monotonic()
    await taken(scene)
    given = await collected(scene, AT_ONCE)
    assert isinstance(given, Issued)
    assert given.lease.ready
    repeated = await collected(scene, AT_ONCE)
    assert isinstance(repeated, Issued)
    assert works(scene, repeated.credential)


async def test_a_poll_that_does_not_wait_waits_as_long_as_the_ask_has_said() -> None:
    """Or as one that says nothing."""
    scene = world(role(PROVEN))
    await asked(scene, Preference(wait=0))
    assert 45 == AT_ONCE.collecting(replace(stored(scene), state=State.PREPARED)).seconds
    assert 7 == AT_ONCE.collecting(replace(stored(scene), state=State.PREPARED, collect_wait=7)).seconds


@EACH_SECRET
async def test_what_is_not_proven_in_time_is_removed(target: Target) -> None:
    """The lease stays prepared, and can be collected when Azure has caught up."""
    scene = world(role(target), kinds=kinds_for(target))
    await prepared(scene)
    with unproven():
        found = await collected(scene, Preference(wait=10))
    assert isinstance(found, Accepted)
    lease = stored(scene)
    assert (State.PREPARED, None, False) == (lease.state, lease.rotating_until, lease.handed_out)
    assert 0 == _secrets(scene)
    given = await handed_out(scene)
    assert 1 == _secrets(scene)
    assert (True, True) == (given.lease.ready, works(scene, given.credential))


def _secrets(scene: World) -> int:
    """The number of secrets that leases have, on whatever application."""
    return sum(len(each.secrets) for each in scene.cloud.applications.values())


@pytest.mark.parametrize("by_the_ask", [False, True])
async def test_a_lenient_holder_collects_what_is_not_proven(*, by_the_ask: bool) -> None:
    """If it says so, or if the ask has said so."""
    scene = world(role(PROVEN))
    lease = await prepared(scene)
    await scene.leases.swap(replace(lease, lenient=by_the_ask), former=lease)
    with unproven():
        given = await handed_out(scene, Preference() if by_the_ask else LENIENT)
    assert (State.ACTIVE, False) == (given.lease.state, given.lease.ready)


async def test_what_the_ask_has_said_of_waiting_is_the_collectors_default() -> None:
    """Here it waits for a lease that is being made."""
    scene = world(role())
    await asked(scene)
    lease = stored(scene)
    await scene.leases.swap(replace(lease, collect_wait=100), former=lease)
    began = scene.clock.now()
    await collected(scene)
    assert 90 <= (scene.clock.now() - began).total_seconds() <= 100


@EACH_SECRET
@pytest.mark.parametrize("collecting", [True, False])
async def test_within_the_grace_a_repeat_gets_a_fresh_secret(target: Target, *, collecting: bool) -> None:
    """And the former one is removed. After it the credential is gone. So is that of an issue that was answered at once."""
    scene = world(role(target, ttl=3000), kinds=kinds_for(target))
    if collecting:
        await prepared(scene)
    first = await handed_out(scene) if collecting else await issued(scene)
    scene.clock.jump(590)
    again = await handed_out(scene)
    assert first.credential.fields()["secret_id"] != again.credential.fields()["secret_id"]
    assert (False, True) == (is_held(scene, first.credential), is_held(scene, again.credential))
    assert "reissue" == scene.audit.events[-1].operation
    scene.clock.jump(10)
    with pytest.raises(Gone) as gone:
        await collected(scene)
    assert "credential_collected" == gone.value.stable_code
    assert is_held(scene, again.credential)


async def test_a_repeat_that_is_not_proven_leaves_the_former_secret() -> None:
    """The last answer is the good one."""
    scene = world(role(PROVEN))
    await prepared(scene)
    first = await handed_out(scene)
    scene.clock.jump(200)
    with unproven():
        assert isinstance(await collected(scene, Preference(wait=5)), Accepted)
    assert works(scene, first.credential)
    assert State.ACTIVE is stored(scene).state


async def test_of_two_collectors_one_is_told_to_come_back() -> None:
    """In five seconds. Of both answers the last secret works."""
    scene = world(role(PROVEN), latency=1.0)
    await prepared(scene)
    answers = await asyncio.gather(collected(scene), collected(scene))
    given = [each for each in answers if isinstance(each, Issued)]
    (other,) = [each for each in answers if isinstance(each, Accepted)]
    assert (1, 5) == (len(given), other.after)
    assert works(scene, given[0].credential)


async def test_a_collector_that_dies_after_minting_leaves_nothing_that_works() -> None:
    """The next one waits until it has given up, and takes away what it has left."""
    scene = world(role())
    lease = await prepared(scene)
    # Such is the row, and such is Azure, after a collector has died there.
    now = scene.clock.now()
    lease = await scene.leases.swap(lease.collecting(now + timedelta(seconds=95)), former=lease)
    order = Order(lease.id, lease.known_holder, role().target, now + timedelta(hours=1), scene.ports.within(30))
    lost = await scene.ports.kinds.of(lease).issuer.credential(order, lease.footprint, lambda _: None)
    assert isinstance(await collected(scene), Accepted)
    scene.clock.jump(95)
    given = await handed_out(scene)
    assert (True, False) == (is_held(scene, given.credential), is_held(scene, lost.credential))
    assert 1 == _secrets(scene)


async def test_a_lease_that_nobody_collects_ends() -> None:
    """A collector that comes as late is told so."""
    scene = world(role())
    await prepared(scene)
    await swept(scene, after=900)
    with pytest.raises(Gone) as gone:
        await collected(scene)
    assert ("lease_ended", Cause.UNCOLLECTED) == (gone.value.stable_code, stored(scene).cause)


async def test_a_lease_that_could_not_be_made_says_why() -> None:
    """With the code that a request which waits would have got."""
    scene = world(role())
    await asked(scene)
    scene.calls.fail("authorization.assign", Refused(status=403), times=1000)
    await taken(scene)
    with pytest.raises(PreparationFailed) as failed:
        await collected(scene)
    assert "azure_refused" == failed.value.failed_with


async def test_a_lease_whose_time_to_be_made_is_over_says_so() -> None:
    """Whether or not the sweep has noticed."""
    scene = world(role())
    await asked(scene)
    await swept(scene, after=900)
    with pytest.raises(PreparationFailed) as failed:
        await collected(scene)
    assert "not_proven" == failed.value.failed_with


async def test_a_credential_that_azure_refuses_ends_the_lease() -> None:
    """Nobody could ever collect it."""
    scene = world(role())
    await prepared(scene)
    scene.clock.jump(300)
    scene.calls.fail("directory.add_secret", Refused(status=400, azure_code="CredentialTypeNotAllowedAsPerAppPolicy"), times=99)
    with pytest.raises(PreparationFailed) as failed:
        await collected(scene)
    assert "azure_refused" == failed.value.failed_with
    await swept(scene, after=300)
    assert (State.ENDED, "azure_refused", []) == (stored(scene).state, stored(scene).failed_with, scene.leftovers())


async def test_a_failure_of_azure_leaves_the_lease_prepared() -> None:
    """The caller is told, and comes back."""
    scene = world(role())
    await prepared(scene)
    scene.clock.jump(300)
    scene.calls.fail("directory.add_secret", Unavailable(status=503), times=1000)
    with pytest.raises(Unavailable):
        await collected(scene)
    scene.calls.heal()
    assert State.PREPARED is stored(scene).state
    given = await handed_out(scene)
    assert works(scene, given.credential)


async def _lose_the_right(scene: World) -> None:
    scene.roles.keep(role(TARGETS["service principal"], bounds=Bounds(service_principal_ids=frozenset({BOB.object_id}))))


async def _change_the_role(scene: World) -> None:
    scene.roles.keep(role(OTHER_TARGET))


LOST: list[tuple[Callable[[World], Awaitable[None]], type[LeaseholdError], str]] = [
    (_lose_the_right, Forbidden, "forbidden"),
    (_change_the_role, Conflict, "role_changed"),
]


@pytest.mark.parametrize(("between", "error", "code"), LOST, ids=["right lost", "role changed"])
async def test_collecting_decides_again(
    between: Callable[[World], Awaitable[None]], error: type[LeaseholdError], code: str
) -> None:
    """As renewing does. What was never handed out is undone at once."""
    scene = world(role(TARGETS["service principal"]))
    await prepared(scene)
    await between(scene)
    with pytest.raises(error):
        await collected(scene)
    assert (False, code) == (stored(scene).state.is_open, stored(scene).failed_with)
    with pytest.raises(PreparationFailed):
        await collected(scene)
    await swept(scene, after=300)
    assert [] == scene.leftovers()


@pytest.mark.parametrize(("between", "error"), [each[:2] for each in LOST], ids=["right lost", "role changed"])
async def test_a_repeat_decides_again(between: Callable[[World], Awaitable[None]], error: type[LeaseholdError]) -> None:
    """What was handed out runs to its end."""
    scene = world(role(TARGETS["service principal"]))
    given = await issued(scene)
    await between(scene)
    with pytest.raises(error):
        await collected(scene)
    assert (State.ACTIVE, True) == (stored(scene).state, works(scene, given.credential))


async def test_a_revocation_ends_what_is_prepared_and_what_is_being_made() -> None:
    """That of a role is in force at once."""
    scene = world(role())
    await prepared(scene)
    await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)
    with pytest.raises(Gone):
        await collected(scene)


async def test_a_lease_that_is_revoked_while_it_is_made_is_told_so() -> None:
    """Whoever has revoked it."""
    scene = world(role())
    await asked(scene)
    await revoke(scene.ports, request(), stored(scene).id)
    with pytest.raises(Gone):
        await collected(scene)


async def test_what_is_not_collected_yet_cannot_be_renewed() -> None:
    """Its time has not begun."""
    scene = world(role())
    await prepared(scene)
    with pytest.raises(Conflict) as refused:
        await renew(scene.ports, request(), stored(scene).id, None)
    assert "lease_not_active" == refused.value.stable_code


async def _once(scene: World, preference: Preference) -> Issued | Accepted:
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "run-7", preference)


async def test_under_one_key_ask_and_collection_meet_one_lease() -> None:
    """In whatever state it is. A repeat that waits collects, one that does not is told where the lease is."""
    scene = world(role())
    first = await _once(scene, AT_ONCE)
    assert isinstance(first, Accepted)
    again = await _once(scene, AT_ONCE)
    assert isinstance(again, Accepted)
    waited = await _once(scene, Preference(wait=10))
    assert isinstance(waited, Accepted)
    assert {first.lease.id} == {again.lease.id, waited.lease.id}
    await taken(scene)
    assert isinstance(await _once(scene, AT_ONCE), Accepted)
    given = await _once(scene, Preference())
    assert isinstance(given, Issued)
    fresh = await handed_out(scene)
    repeat = await _once(scene, AT_ONCE)
    assert isinstance(repeat, Issued)
    assert {first.lease.id} == {given.lease.id, fresh.lease.id, repeat.lease.id}
    assert [False, False, True] == [is_held(scene, each.credential) for each in (given, fresh, repeat)]


async def test_the_key_of_a_lease_that_was_never_handed_out_is_free_again() -> None:
    """A repeat then asks anew."""
    scene = world(role())
    first = await _once(scene, AT_ONCE)
    assert isinstance(first, Accepted)
    await taken(scene)
    await swept(scene, after=900)
    again = await _once(scene, AT_ONCE)
    assert isinstance(again, Accepted)
    assert first.lease.id != again.lease.id


async def test_a_repeat_whose_message_was_lost_sends_it_again() -> None:
    """It does not end the lease, as it would end one whose worker has died."""
    scene = world(role())
    await _once(scene, AT_ONCE)
    scene.clock.jump(60)
    assert isinstance(await _once(scene, AT_ONCE), Accepted)
    assert 2 == len(scene.preparations.texts)
    assert State.PLANNED is stored(scene).state


@pytest.mark.parametrize("target", [pytest.param(target, id=kind) for kind, target in TARGETS.items()])
async def test_every_kind_can_be_collected(target: Target) -> None:
    """Also one without a secret, and one whose secret lies on an application that others use."""
    scene = world(role(target), kinds=kinds_for(target))
    await prepared(scene)
    given = await handed_out(scene)
    assert works(scene, given.credential)
