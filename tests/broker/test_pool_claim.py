"""A role's pool: what stands in it is handed out, to one caller each, and what does not fit is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.issue.collect import collect
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.revoke import revoke, revoke_role
from shared.core.caller import Caller
from shared.core.errors import Gone, LeaseholdError, Throttled, TooMany, Unavailable, Unreachable, Upstream
from shared.core.idempotency_key import digest_of
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, shard_of
from shared.core.pool import Pool
from shared.core.readiness.record import TOKEN
from shared.core.tenant_policy import PolicyForbids
from shared.issuers.service_principal.choice import SECRET, CredentialChoice
from shared.kinds.pooling import pool_digest
from shared.resilience.tasks import all_of
from tests.fakes.world import ALICE, BOB, WEB, World, request, role, world
from tests.support.every_kind import CERTIFICATES, FEDERATED, TOKENS, is_held, works
from tests.support.pools import fill_up, in_state, pooled_target, take_messages

CHOICES = {"secret": SECRET, "token": TOKENS, "federated": FEDERATED, "certificate": CERTIFICATES}
WRITES = {
    "secret": ["directory.add_secret"],
    "token": [],
    "federated": ["directory.add_federated"],
    "certificate": ["directory.add_key"],
}
"""What is written to Azure at a claim."""


async def with_pool(
    size: int = 2, *, credential: CredentialChoice = SECRET, assigned: bool | None = None, **more: Any
) -> World:
    """A role whose pool is full."""
    scene = world(role(pooled_target(size, credential=credential, pool=Pool(size, assigned=assigned), **more)))
    await fill_up(scene, rounds=1 + size // 5)
    assert size == len(in_state(scene, State.POOLED))
    scene.calls.made.clear()
    return scene


async def asked(scene: World, who: Caller = ALICE, preference: Preference | None = None) -> Issued:
    """Somebody issues, and waits."""
    made = await issue(scene.ports, request(who), IssueRequest(WEB, ask=scene.ask), preference=preference)
    assert isinstance(made, Issued)
    return made


def writes_of(scene: World) -> list[str]:
    """The calls that change something in Azure, in order."""
    names = [name for name in scene.calls.names() if name.startswith(("directory.", "authorization."))]
    return [
        name
        for name in names
        if name.partition(".")[2]
        in {"upsert_application", "create_principal", "assign", "add_member", "add_secret", "add_federated", "add_key"}
    ]


@pytest.mark.parametrize("name", CHOICES)
async def test_a_claimed_lease_is_handed_out_with_what_its_kind_takes_and_nothing_more(name: str) -> None:
    """Application, principal, memberships and assignments are there already. A token takes no write at all."""
    scene = await with_pool(credential=CHOICES[name])
    pooled = {lease.id for lease in in_state(scene, State.POOLED)}
    made = await asked(scene)
    assert made.lease.id in pooled
    assert made.lease.state is State.ACTIVE
    assert made.lease.known_holder.object_id == ALICE.object_id
    assert WRITES[name] == writes_of(scene)
    assert works(scene, made.credential)
    assert made.lease.place != made.lease.id
    assert scene.ports.now() + timedelta(seconds=made.lease.ttl) == made.lease.expires_at
    assert made.lease.ready
    await revoke(scene.ports, request(), made.lease.id)
    await sweep(scene.ports, "sweep")
    assert not works(scene, made.credential)


@pytest.mark.parametrize("name", CHOICES)
async def test_what_is_assigned_at_the_claim_is_not_there_before(name: str) -> None:
    """With ``assigned: false``, a pooled principal holds nothing while nobody holds it."""
    scene = await with_pool(credential=CHOICES[name], assigned=False)
    assert not scene.cloud.assignments
    assert not any(scene.cloud.groups.values())
    made = await asked(scene)
    assert {"authorization.assign", "directory.add_member", *WRITES[name]} == {*writes_of(scene)}
    assert [each.scope for each in scene.cloud.assignments] == [*made.lease.scopes]
    assert works(scene, made.credential)
    await revoke(scene.ports, request(), made.lease.id)
    assert not scene.cloud.assignments


async def test_what_was_seen_in_the_pool_needs_no_proof_at_the_claim() -> None:
    """Access was seen when the pool was filled: the token in hand is enough."""
    scene = await with_pool(credential=TOKENS, ready="access")
    made = await asked(scene)
    assert made.lease.ready
    assert made.lease.readiness is not None
    assert any(each != TOKEN for each in made.lease.readiness.seen)
    assert "access.sees" not in scene.calls.names()


@pytest.mark.parametrize("name", ["token", "federated", "certificate"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_lease_says_when_it_was_seen_to_work(name: str, *, is_async: bool) -> None:
    """At the filling, if nothing was seen since then: whoever reads the answer can judge how old that is."""
    scene = await with_pool(credential=CHOICES[name], ready="access")
    seen = {lease.id: lease.ready_at for lease in in_state(scene, State.POOLED)}
    scene.clock.jump(400)
    if is_async:
        accepted = await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask), preference=Preference(wait=0))
        await take_messages(scene)
        scene.clock.jump(100)
        made = await collect(scene.ports, request(), accepted.lease.id, Preference())
        assert isinstance(made, Issued)
    else:
        made = await asked(scene)
    assert (True, seen[made.lease.id]) == (made.lease.ready, made.lease.ready_at)


async def test_a_secret_is_seen_to_work_at_the_claim() -> None:
    """It was made then."""
    scene = await with_pool()
    scene.clock.jump(400)
    assert scene.clock.now() == (await asked(scene)).lease.ready_at


async def test_what_stands_in_the_pool_says_that_it_is_ready() -> None:
    """And since when. It never began: its time is nobody's."""
    scene = await with_pool(1)
    (lease,) = in_state(scene, State.POOLED)
    assert (True, False, False) == (lease.ready, lease.unchecked, lease.has_begun)
    assert lease.ready_at is not None
    unchecked = await with_pool(1, ready="none")
    (lease,) = in_state(unchecked, State.POOLED)
    assert (False, True) == (lease.ready, lease.unchecked)


async def test_what_is_assigned_at_the_claim_is_seen_to_count_after_it() -> None:
    """Nobody can have seen it before."""
    scene = await with_pool(credential=TOKENS, assigned=False, ready="access")
    assert (await asked(scene)).lease.ready
    assert "access.sees" in scene.calls.names()


async def test_each_lease_goes_to_one_caller_and_the_rest_are_made() -> None:
    """Fifty callers at once, and five leases."""
    scene = await with_pool(5, credential=TOKENS)
    pooled = {lease.id for lease in in_state(scene, State.POOLED)}
    made = await all_of(*(asked(scene, who) for who in (ALICE, BOB) * 25))
    ids = [each.lease.id for each in made]
    assert 50 == len({*ids})
    assert not in_state(scene, State.POOLED) or pooled & {*ids}
    assert len({each.credential.fields()["client_id"] for each in made}) == 50
    assert all(works(scene, each.credential) for each in made)


async def test_whoever_loses_a_race_finds_what_is_left() -> None:
    """As many callers at once as there are leases. Nobody waits for a lease to be made."""
    scene = await with_pool(20, credential=TOKENS)
    pooled = {lease.id for lease in in_state(scene, State.POOLED)}
    made = await all_of(*(asked(scene, who) for who in (ALICE, BOB) * 10))
    assert pooled == {each.lease.id for each in made}
    assert [] == writes_of(scene)


async def test_a_claim_asks_for_another_and_leaves_no_hint() -> None:
    """The pool is full again once the worker has taken its messages."""
    scene = await with_pool(2)
    made = await asked(scene)
    assert made.lease.id not in {each.lease for each in scene.pools.rows.values()}
    await take_messages(scene)
    await take_messages(scene)
    assert 2 == len(in_state(scene, State.POOLED))
    assert 2 == len(scene.pools.rows)


async def test_without_hints_or_with_stale_ones_the_answer_is_the_same() -> None:
    """A lost hint costs the time that a new lease takes; a stale one is forgotten."""
    scene = await with_pool(1)
    (pooled,) = in_state(scene, State.POOLED)
    stood = dict(scene.pools.rows)
    scene.pools.rows.clear()
    assert (await asked(scene)).lease.id != pooled.id
    scene.pools.rows.update(stood)
    assert (await asked(scene)).lease.id == pooled.id
    scene.pools.rows.update(stood)
    assert (await asked(scene)).lease.id != pooled.id
    assert not scene.pools.rows


async def test_a_refused_claim_gives_the_lease_back() -> None:
    """A caller above its cap costs the pool nothing."""
    scene = world(role(pooled_target(1), max_leases=1))
    held = await asked(scene)
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    with pytest.raises(TooMany):
        await asked(scene, BOB)
    (again,) = in_state(scene, State.POOLED)
    assert replace(pooled, version="") == replace(again, version="")
    await revoke(scene.ports, request(), held.lease.id)
    assert (await asked(scene, BOB)).lease.id == pooled.id


async def test_a_lease_for_another_role_of_that_name_is_not_handed_out() -> None:
    """The role has changed since: the lease ends, and a new one is made."""
    scene = await with_pool(1)
    (pooled,) = in_state(scene, State.POOLED)
    changed = role(pooled_target(1, permanently_delete=False))
    scene.roles.keep(changed)
    stale = {key: replace(hint, digest=pool_digest(scene.ports.kinds, changed)) for key, hint in scene.pools.rows.items()}
    scene.pools.rows.update(stale)
    made = await asked(scene)
    assert made.lease.id != pooled.id
    assert (State.ENDING, Cause.DRAINED) == (stored(scene, pooled.id).state, stored(scene, pooled.id).cause)
    assert not scene.pools.rows


async def test_a_lease_of_before_a_revocation_is_not_handed_out() -> None:
    """It ends as revoked, as the others of its role."""
    scene = await with_pool(1)
    (pooled,) = in_state(scene, State.POOLED)
    await revoke_role(scene.ports, request(), WEB)
    assert (await asked(scene)).lease.id != pooled.id
    await fill_up(scene)
    assert Cause.REVOKED is stored(scene, pooled.id).cause


async def test_a_narrowed_ask_gets_a_lease_of_its_own() -> None:
    """What is assigned already lies where the role says, and not further down."""
    scene = world(role(pooled_target(1, groups=0)))
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    within = type(pooled.scopes[0])(f"{pooled.scopes[0]}/providers/Microsoft.Storage/storageAccounts/x")
    made = await issue(scene.ports, request(), IssueRequest(WEB, ask=replace(scene.ask, within=within)))
    assert made.lease.id != pooled.id
    assert [within] == [*made.lease.scopes]


@pytest.mark.parametrize("name", CHOICES)
async def test_a_principal_that_was_deleted_by_hand_costs_the_caller_nothing(name: str) -> None:
    """Two of them: the lease ends as vanished, and the third that is taken is a new one."""
    scene = await with_pool(3, credential=CHOICES[name])
    for application in [*scene.cloud.applications.values()]:
        if application.wanted is not None:
            scene.cloud.delete_application(application.object_id)
            scene.cloud.purge(application.object_id)
    made = await asked(scene)
    assert works(scene, made.credential)
    gone = [lease for lease in scene.leases.rows.values() if lease.cause is Cause.VANISHED]
    assert (2, 1) == (len(gone), len(in_state(scene, State.POOLED)))
    assert [("reconcile", "vanished")] * 2 == [(e.operation, e.code) for e in scene.audit.events if e.code == "vanished"]
    await sweep(scene.ports, "sweep")
    await revoke(scene.ports, request(), made.lease.id)


async def test_a_group_that_is_gone_does_not_end_the_pool() -> None:
    """A 404 about something else is not about the principal."""
    scene = await with_pool(2, assigned=False)
    scene.cloud.groups.clear()
    with pytest.raises(LeaseholdError):
        await asked(scene)
    assert not [lease for lease in scene.leases.rows.values() if lease.cause is Cause.VANISHED]


async def test_a_caller_that_does_not_wait_gets_one_of_the_pool_too() -> None:
    """It is prepared without a proof: that was seen in the pool."""
    scene = await with_pool(1, credential=TOKENS)
    (pooled,) = in_state(scene, State.POOLED)
    wanted = IssueRequest(WEB, ask=scene.ask)
    accepted = await issue(scene.ports, request(), wanted, preference=Preference(wait=0))
    assert isinstance(accepted, Accepted)
    assert accepted.lease.id == pooled.id
    await take_messages(scene)
    assert "sign_in.signs_in" not in scene.calls.names()
    made = await collect(scene.ports, request(), pooled.id, Preference())
    assert isinstance(made, Issued)
    assert works(scene, made.credential)


@pytest.mark.parametrize("beside", [True, False], ids=["one partition", "another partition"])
async def test_a_repeat_under_a_key_finds_the_claimed_lease(*, beside: bool) -> None:
    """Wherever the two rows lie."""
    scene = await with_pool(1, credential=TOKENS)
    (pooled,) = in_state(scene, State.POOLED)
    keys = (f"run-{number}" for number in range(1000))
    key = next(each for each in keys if (shard_of(digest_of(ALICE, WEB, each)) == pooled.id.shard) is beside)
    wanted = IssueRequest(WEB, ask=scene.ask)
    first = await issue_once(scene.ports, request(), wanted, key)
    again = await issue_once(scene.ports, request(), wanted, key)
    assert first.lease.id == again.lease.id
    assert first.lease.claim
    await revoke(scene.ports, request(), first.lease.id)
    with pytest.raises(Gone):
        await issue_once(scene.ports, request(), wanted, key)


async def test_two_requests_under_one_key_share_a_lease() -> None:
    """However they meet."""
    scene = await with_pool(2, credential=TOKENS)
    wanted = IssueRequest(WEB, ask=scene.ask)
    made = await all_of(*(issue_once(scene.ports, request(), wanted, "run") for _ in range(3)))
    assert 1 == len({each.lease.id for each in made})
    assert is_held(scene, made[0].credential)


def stored(scene: World, lease_id: LeaseId) -> Lease:
    """As it stands."""
    return scene.leases.rows[lease_id]


@pytest.mark.parametrize("name", ["secret", "federated", "certificate"])
@pytest.mark.parametrize("failure", [Throttled(retry_after=20), PolicyForbids()], ids=["throttled", "forbidden"])
async def test_a_claim_that_azure_took_nothing_of_gives_the_lease_back(name: str, failure: Upstream) -> None:
    """However many callers are refused meanwhile: the pool is as full as before, and the next one gets the lease."""
    scene = await with_pool(1, credential=CHOICES[name])
    (pooled,) = in_state(scene, State.POOLED)
    scene.calls.fail(WRITES[name][0], failure, times=9)
    for who in (ALICE, BOB):
        with pytest.raises(type(failure)):
            await issue(scene.ports, request(who), IssueRequest(WEB, ask=scene.ask))
    (again,) = in_state(scene, State.POOLED)
    assert replace(pooled, version="") == replace(again, version="")
    scene.calls.heal()
    made = await asked(scene, BOB)
    assert pooled.id == made.lease.id
    assert works(scene, made.credential)


@pytest.mark.parametrize("failure", [Throttled(retry_after=20), Unavailable(status=503), Unreachable()], ids=repr)
async def test_a_token_that_is_not_answered_costs_the_pool_nothing(failure: Upstream) -> None:
    """Its claim writes nothing to Azure, so that nothing can be left of it."""
    scene = await with_pool(1, credential=TOKENS)
    (pooled,) = in_state(scene, State.POOLED)
    scene.calls.fail("sign_in.token", failure, times=99)
    with pytest.raises(type(failure)):
        await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    (again,) = in_state(scene, State.POOLED)
    assert replace(pooled, version="") == replace(again, version="")


@pytest.mark.parametrize("after", [False, True], ids=["lost before", "lost after"])
async def test_a_claim_of_which_something_may_be_made_ends_its_lease(after: bool) -> None:  # noqa: FBT001
    """The first try's answer is lost, and the second one is throttled: there may be a secret that nobody knows."""
    scene = await with_pool(1)
    (pooled,) = in_state(scene, State.POOLED)
    scene.calls.fail("directory.add_secret", Unreachable(), after=after)
    scene.calls.fail("directory.add_secret", Throttled(retry_after=999), times=9)
    with pytest.raises(Throttled):
        await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    assert State.ENDING is stored(scene, pooled.id).state


async def test_a_claim_that_makes_more_than_a_credential_ends_its_lease() -> None:
    """One of several calls was throttled; what became of the others is not known for certain."""
    scene = await with_pool(1, assigned=False)
    (pooled,) = in_state(scene, State.POOLED)
    scene.calls.fail("directory.add_secret", Throttled(retry_after=999), times=9)
    with pytest.raises(Throttled):
        await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    assert State.ENDING is stored(scene, pooled.id).state
