"""What the verbs do with leases that are pooled, prepared, or wait in a queue, and with one that was claimed from a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.configure.roles import delete_role
from shared.broker.ending.recall import recall
from shared.broker.force import revoke_as_operator
from shared.broker.inspect import list_leases, read_lease, status
from shared.broker.issue.admission import admit
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.reconcile.reconcile import Result
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.core.errors import Conflict, Gone, LeaseholdError, NotFound, Pending, TooMany
from shared.core.idempotency_key import KEPT, IdempotencyKey, digest_of, fingerprint_of
from shared.core.lease import Cause, Lease, State
from shared.core.message import Recall
from shared.core.names import LeaseId
from shared.core.ports.documents import ANY
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Target
from tests.broker.drifting import deleted_by_hand, reconciled, results
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, WATCHER, WEB, World, request, role, world
from tests.support import pooling
from tests.support.every_kind import kinds_for, works
from tests.support.operations import TARGETS

ADMIN = request(ADMINISTRATOR)
EVERY_KIND = pytest.mark.parametrize("target", [pytest.param(target, id=kind) for kind, target in TARGETS.items()])
type Make = Callable[[World], Awaitable[Lease]]


async def in_a_pool(scene: World) -> Lease:
    """A lease in the pool of the role."""
    return await pooling.fill(scene.ports, WEB)


@EVERY_KIND
async def test_a_claimed_lease_is_its_holders_from_its_claim(target: Target) -> None:
    """It keeps its id and footprint; holder, order, generation and time are those of its claim."""
    scene = world(role(target), kinds=kinds_for(target))
    await revoke_role(scene.ports, ADMIN, WEB)
    made = await in_a_pool(scene)
    scene.clock.jump(300)
    before = (await issued(scene)).lease
    scene.clock.jump(1)
    given = await pooling.claim(scene.ports, request(BOB), WEB)
    lease = given.lease
    assert (made.id, None, "") == (lease.id, made.holder, made.claim)
    assert (BOB.object_id, 1, scene.clock.now()) == (lease.known_holder.object_id, lease.generation, lease.issued_at)
    assert lease.id.ulid < before.id.ulid < lease.claim
    listed = await list_leases(scene.ports, ADMIN, LeaseQuery())
    assert [lease.id, before.id] == [each.id for each in listed.items]
    assert works(scene, given.credential)


async def test_one_pooled_lease_is_claimed_once() -> None:
    """However many ask at once: the others find the pool empty."""
    scene = world(role(), latency=1.0)
    await in_a_pool(scene)
    asked = [pooling.claim(scene.ports, request(who), WEB) for who in (ALICE, BOB, ALICE)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [Conflict, Conflict, Issued] == sorted((type(each) for each in answers), key=lambda each: each.__name__)


async def _prepared(scene: World) -> Lease:
    return await pooling.prepare(scene.ports, request(), WEB)


async def _queued(scene: World) -> Lease:
    return await pooling.enqueue(scene.ports, request(), WEB)


THEIRS = [
    pytest.param(in_a_pool, Cause.DRAINED, id="pooled"),
    pytest.param(_prepared, Cause.UNCOLLECTED, id="prepared"),
    pytest.param(_queued, Cause.UNFINISHED, id="queued"),
]


@pytest.mark.parametrize(("make", "cause"), THEIRS)
async def test_a_lease_that_nobody_takes_is_left_alone_until_it_is_due(make: Make, cause: Cause) -> None:
    """A pooled one until its max age, a prepared one until it must be collected, a queued one while its message lives."""
    scene = world(role())
    lease = await make(scene)
    rest = (lease.due_at - scene.clock.now()).total_seconds()
    await swept(scene, after=rest - 1)
    assert lease.state is stored(scene).state
    await swept(scene, after=1)
    assert cause is stored(scene).cause
    await swept(scene, after=300)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_a_queued_lease_that_is_taken_up_is_locked_like_any_other() -> None:
    """Its worker's death is noticed when the lock is over, and not when the message's life is."""
    scene = world(role())
    lease = await _queued(scene)
    assert (True, lease.made_by) == (lease.is_queued, lease.due_at)
    now = scene.clock.now()
    taken = lease.taken_up(now + timedelta(seconds=20), now + timedelta(seconds=210))
    assert not taken.is_queued
    await scene.leases.swap(taken, former=lease)
    with pytest.raises(Gone):
        await pooling.take_up(scene.ports, lease.id)
    await swept(scene, after=19)
    assert State.PLANNED is stored(scene).state
    await swept(scene, after=1)
    assert Cause.UNFINISHED is stored(scene).cause


async def test_a_queued_lease_is_made_by_the_worker_that_takes_it_up() -> None:
    """And collected by its holder."""
    scene = world(role())
    lease = await _queued(scene)
    assert State.PREPARED is (await pooling.take_up(scene.ports, lease.id)).state
    given = await pooling.collect(scene.ports, request(), lease.id)
    assert (State.ACTIVE, True) == (given.lease.state, works(scene, given.credential))


async def test_a_repeat_under_a_key_does_not_end_a_queued_lease() -> None:
    """It waits for as long as a repeat may, and the lease still waits for its worker."""
    scene = world(role())
    digest = digest_of(ALICE, WEB, "key-1")
    key = IdempotencyKey(digest, fingerprint_of(None, "", {}), LeaseId(f"web.{0:026d}"), scene.clock.now() + KEPT)
    number = next(each for each in range(10_000) if LeaseId(f"web.{each:026d}").shard == key.shard)
    key = replace(key, lease_id=LeaseId(f"web.{number:026d}"))
    made = await _queued(scene)
    del scene.leases.rows[made.id]
    lease = await scene.leases.open(replace(made, id=key.lease_id, key_digest=digest), key)
    with pytest.raises(Pending):
        await issue_once(scene.ports, request(), IssueRequest(WEB), "key-1")
    assert (State.PLANNED, lease.version) == (stored(scene).state, stored(scene).version)
    scene.clock.jump(600)
    again = await issue_once(scene.ports, request(), IssueRequest(WEB), "key-1")
    assert (True, Cause.UNFINISHED) == (again.lease.id != lease.id, stored(scene, lease.id).cause)


async def test_what_is_pooled_does_not_count_in_max_leases_and_what_is_prepared_does() -> None:
    """Nor does what is being made for a pool."""
    scene = world(role(max_leases=2))
    for _ in range(3):
        await in_a_pool(scene)
    await _prepared(scene)
    await issued(scene)
    for ask in (issued(scene), _prepared(scene), pooling.claim(scene.ports, request(), WEB)):
        with pytest.raises(TooMany):
            await ask
    assert 2 == (await scene.leases.room_taken(WEB, frozenset(), 9)).taken


async def test_a_claimed_lease_counts_from_its_claim() -> None:
    """An older id gives it no place before another's: who was admitted first has the room."""
    scene = world(role(max_leases=1))
    await in_a_pool(scene)
    scene.clock.jump(60)
    given = await issued(scene)
    with pytest.raises(TooMany):
        await pooling.claim(scene.ports, request(), WEB)
    await revoke(scene.ports, request(), given.lease.id)
    await in_a_pool(scene)
    assert State.ACTIVE is (await pooling.claim(scene.ports, request(), WEB)).lease.state
    with pytest.raises(TooMany):
        await issued(scene)


async def test_admissions_ask_neither_for_an_id_nor_for_a_claim() -> None:
    """A claimed lease whose id is older than every other's takes no other's room."""
    scene = world(role(max_leases=1))
    made = await in_a_pool(scene)
    active = (await issued(scene)).lease
    now = scene.clock.now()
    soon = now + timedelta(seconds=20)
    planned = replace(made, state=State.PLANNED, holder=active.known_holder, due_at=soon, made_by=soon)
    claimed = made.claimed(scene.ids.ulid(now), planned)
    stands = await scene.leases.swap(claimed, former=made)
    with pytest.raises(TooMany):
        await admit(scene.ports, stands, role(max_leases=1), since=0)


async def test_a_pool_is_told_to_admins_and_auditors_alone() -> None:
    """In a list that asks for it, and by its id; to others there is no such lease, and no list of live ones has it."""
    scene = world(role())
    lease = await in_a_pool(scene)
    for caller, sees in ((ADMINISTRATOR, True), (WATCHER, True), (ALICE, False), (BOB, False)):
        listed = await list_leases(scene.ports, request(caller), LeaseQuery(state=State.POOLED))
        assert sees == ([lease.id] == [each.id for each in listed.items])
        assert () == (await list_leases(scene.ports, request(caller), LeaseQuery(live=True))).items
        if sees:
            assert State.POOLED is (await read_lease(scene.ports, request(caller), lease.id)).state
        else:
            with pytest.raises(NotFound):
                await read_lease(scene.ports, request(caller), lease.id)
    for verb in (renew(scene.ports, request(), lease.id, None), revoke(scene.ports, request(), lease.id)):
        with pytest.raises(NotFound):
            await verb


async def test_a_prepared_lease_is_its_holders() -> None:
    """Listed, read, and not another's."""
    scene = world(role())
    lease = await _prepared(scene)
    assert [lease.id] == [each.id for each in (await list_leases(scene.ports, request(), LeaseQuery(live=True))).items]
    assert State.PREPARED is (await read_lease(scene.ports, request(), lease.id)).state
    with pytest.raises(NotFound):
        await read_lease(scene.ports, request(BOB), lease.id)


@pytest.mark.parametrize("make", [in_a_pool, _prepared, _queued])
async def test_what_is_not_active_yet_is_not_renewed(make: Make) -> None:
    """By nobody: ``lease_not_active``."""
    scene = world(role())
    lease = await make(scene)
    with pytest.raises(Conflict) as refused:
        await renew(scene.ports, ADMIN, lease.id, None)
    assert "lease_not_active" == refused.value.stable_code


@EVERY_KIND
@pytest.mark.parametrize("verb", ["revoke", "force"])
@pytest.mark.parametrize("make", [in_a_pool, _prepared], ids=["pooled", "prepared"])
async def test_what_is_pooled_or_prepared_is_revoked(make: Make, verb: str, target: Target) -> None:
    """At once where nothing of it is too fresh, and nothing is left."""
    scene = world(role(target), kinds=kinds_for(target))
    lease = await make(scene)
    scene.clock.jump(300)
    done = await (
        revoke(scene.ports, ADMIN, lease.id)
        if verb == "revoke"
        else revoke_as_operator(scene.ports, ADMIN, lease.id, force=True)
    )
    assert (State.ENDED, Cause.REVOKED, []) == (done.state, done.cause, scene.leftovers())


@pytest.mark.parametrize("make", [in_a_pool, _prepared, _queued], ids=["pooled", "prepared", "queued"])
async def test_a_roles_revocation_ends_them(make: Make) -> None:
    """In force at once, and taken back by the message: nothing of before is handed out."""
    scene = world(role())
    lease = await make(scene)
    scene.clock.jump(300)
    result = await revoke_role(scene.ports, ADMIN, WEB)
    assert (lease.holder is not None) == (result.count == 1)
    assert State.ENDING is (await read_lease(scene.ports, ADMIN, lease.id)).state
    for ask in (
        pooling.claim(scene.ports, request(), WEB),
        pooling.collect(scene.ports, request(), lease.id),
        pooling.take_up(scene.ports, lease.id),
    ):
        with pytest.raises(LeaseholdError):
            await ask
    await recall(scene.ports, "recall", Recall("m", WEB))
    await swept(scene, after=1000)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_a_pool_does_not_keep_its_role_and_a_prepared_lease_does() -> None:
    """A role that is deleted with its leases takes its pool along, also when only the repeat of the deletion comes so far."""
    scene = world(role())
    await in_a_pool(scene)
    lease = await _prepared(scene)
    with pytest.raises(Conflict):
        await delete_role(scene.ports, ADMIN, WEB, revoking=False)
    scene.clock.jump(300)
    await revoke(scene.ports, request(), lease.id)
    await scene.roles.delete(WEB, expected=ANY)
    again = await delete_role(scene.ports, ADMIN, WEB, revoking=True)
    assert again is not None
    assert 0 == again.count
    await swept(scene)
    assert [] == scene.leftovers()


async def test_a_role_is_deleted_although_its_pool_is_not_empty() -> None:
    """What is pooled ends at its max age, at the latest."""
    scene = world(role())
    lease = await in_a_pool(scene)
    assert await delete_role(scene.ports, ADMIN, WEB, revoking=False) is None
    await swept(scene, after=(lease.due_at - scene.clock.now()).total_seconds())
    assert (Cause.DRAINED, []) == (stored(scene).cause, scene.leftovers())


async def test_status_counts_each_state() -> None:
    """What is pooled and prepared as well."""
    scene = world(role())
    await in_a_pool(scene)
    await in_a_pool(scene)
    await _prepared(scene)
    result = await status(scene.ports, ADMIN)
    assert {State.POOLED: 2, State.PREPARED: 1} == dict(result.by_state)
    assert 1 == (await scene.run_history.last_count()).live(WEB)  # type: ignore[union-attr]  # it was counted just now


@EVERY_KIND
@pytest.mark.parametrize("make", [in_a_pool, _prepared], ids=["pooled", "prepared"])
async def test_nothing_of_theirs_is_an_orphan(make: Make, target: Target) -> None:
    """However old it is, and no look at each of them is needed."""
    scene = world(role(target), kinds=kinds_for(target))
    lease = await make(scene)
    await scene.leases.swap(replace(lease, due_at=lease.due_at + timedelta(days=1)), former=lease)
    before = scene.leftovers()
    scene.clock.jump(4 * 3600)
    done = await reconciled(scene)
    assert ((), before, []) == (done.findings, scene.leftovers(), scene.calls.named("inventory.stands"))


@pytest.mark.parametrize("make", [in_a_pool, _prepared], ids=["pooled", "prepared"])
async def test_one_whose_objects_vanished_ends_like_an_active_one(make: Make) -> None:
    """With the cause ``vanished``."""
    scene = world(role())
    await make(scene)
    scene.clock.jump(400)
    await deleted_by_hand(scene)
    assert ("lease", Result.ENDED) in results(await reconciled(scene))
    assert (State.ENDED, Cause.VANISHED) == (stored(scene).state, stored(scene).cause)


@EVERY_KIND
async def test_a_collector_that_died_is_followed_by_another_and_leaves_nothing(target: Target) -> None:
    """Whatever it had made: the lease has one working credential then, and none when it has ended."""
    scene = world(role(target, ttl=300), kinds=kinds_for(target))
    lease = await _prepared(scene)
    until = scene.clock.now() + timedelta(seconds=210)
    await scene.leases.swap(lease.collecting(until), former=lease)
    with pytest.raises(Pending):
        await pooling.collect(scene.ports, request(), lease.id)
    scene.clock.jump(211)
    given = await pooling.collect(scene.ports, request(), lease.id)
    assert (True, 2, works(scene, given.credential)) == (given.lease.maybe_more_secrets, given.lease.rotations, True)
    await swept(scene, after=400)
    await swept(scene, after=300)
    assert [] == scene.leftovers()


async def test_ready_at_is_when_the_credential_or_the_pool_was_proven() -> None:
    """A cold lease has it from its activation, one that was not tried out has none, and a claim keeps the pool's."""
    scene = world(role(TARGETS["service principal"]))
    cold = (await issued(scene)).lease
    made = await in_a_pool(scene)
    scene.clock.jump(60)
    unproven = replace(made, state=State.PLANNED, holder=cold.holder).activated(scene.clock.now(), ready=False)
    assert (cold.issued_at, made.made_by, made.ready_at) == (cold.ready_at, made.ready_at, unproven.ready_at)
    plain = world(role())
    assert (await issued(plain)).lease.ready_at is None
