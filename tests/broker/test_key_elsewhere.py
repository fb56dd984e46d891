"""A caller's key whose lease lies in another partition: the key is written first, and the lease says whose it is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from shared.broker.issue import idempotent
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke
from shared.core.errors import Conflict, LostRace
from shared.core.idempotency_key import KEPT, IdempotencyKey, digest_of, fingerprint_of
from shared.core.lease import State
from shared.core.names import LeaseId
from tests.broker.scenes import issued, swept
from tests.fakes.calls import Died
from tests.fakes.world import ALICE, BOB, WEB, World, request, role, world
from tests.support.operations import issue_elsewhere, issuing_elsewhere, issuing_once, only
from tests.support.pooling import claim, fill

_DAY = 86400.0
ORDINALS = {"leases.open": 5, "leases.point": 6}
"""Which calls of an issue these are, the second writing of the key among them."""


@pytest.fixture
def scene() -> World:
    """A role that everybody may issue from."""
    return world(role(ttl=3600))


def key_of(world: World) -> IdempotencyKey:
    """The one key there is."""
    (key,) = world.leases.keys.values()
    return key


def active(world: World) -> list[LeaseId]:
    """The leases that are."""
    return [each.id for each in world.leases.rows.values() if each.state is State.ACTIVE]


def writes(world: World) -> list[str]:
    """What was written to the store of leases before anything was made in Azure."""
    names = world.calls.names()
    made = next(index for index, name in enumerate(names) if name.startswith("directory."))
    return [name for name in names[:made] if name in {"leases.point", "leases.open", "leases.swap", "leases.remove"}]


async def died_at(world: World, name: str, *, nth: int = 1, after: bool = True) -> None:
    """Alice issues, and her worker dies at that call."""
    made, count = len(world.calls.made), 0

    def watch(call: object) -> None:
        nonlocal count
        count += getattr(call, "name", "") == name
        if count == nth and world.calls.watch is not None:
            world.calls.watch = None
            world.calls.fail_at(len(world.calls.made), Died(), after=after)

    world.calls.watch = watch
    with suppress(Died):
        await issuing_elsewhere(world)
    assert made < len(world.calls.made)
    world.calls.revive()


async def test_the_key_is_written_before_its_lease_and_once_more_after_it(scene: World) -> None:
    """Only the direct issue, which has chosen the lease's id, writes both at once."""
    given = await issuing_elsewhere(scene)
    assert ["leases.point", "leases.open", "leases.point"] == writes(scene)
    key = key_of(scene)
    assert (given.lease.id, given.lease.key_digest, False) == (key.lease_id, key.digest, key.is_beside)
    another = world(role())
    await issuing_once(another)
    assert ["leases.open"] == writes(another)


async def test_a_repeat_finds_the_lease_wherever_it_lies(scene: World) -> None:
    """With another secret, as ever; and a direct issue does."""
    first = await issuing_elsewhere(scene)
    scene.clock.jump(60)
    for again in (issuing_elsewhere, issuing_once):
        assert first.lease.id == (await again(scene)).lease.id
    with pytest.raises(Conflict):
        await issue_elsewhere(scene.ports, request(), IssueRequest(WEB, reason="another"), "alice-1")


@pytest.mark.parametrize(
    ("name", "nth", "waits"), [("leases.point", 1, 5.0), ("leases.open", 1, 20.0), ("leases.point", 2, 20.0)]
)
async def test_a_key_whose_worker_died_is_free_again(scene: World, name: str, nth: int, waits: float) -> None:
    """A few seconds after the key alone was written; when its lock is over, where the lease stands."""
    await died_at(scene, name, nth=nth)
    before = key_of(scene)
    began = scene.clock.monotonic()
    given = await issuing_once(scene)
    assert waits <= scene.clock.monotonic() - began <= waits + 6.0
    assert before.lease_id != given.lease.id == key_of(scene).lease_id
    await swept(scene, after=900)
    assert [given.lease.id] == active(scene)


async def test_a_key_does_not_stand_for_a_lease_that_is_not_its_own(scene: World) -> None:
    """Somebody else has taken the lease to which the key points: it is nobody's answer but theirs."""
    await died_at(scene, "leases.point")
    theirs = await issued(scene, request(BOB), ttl=3000)
    digest = key_of(scene).digest
    scene.leases.keys[digest] = replace(key_of(scene), lease_id=theirs.lease.id)
    assert not key_of(scene).is_beside
    given = await issuing_once(scene)
    assert theirs.lease.id != given.lease.id == key_of(scene).lease_id
    assert scene.leases.rows[theirs.lease.id] == theirs.lease


async def test_a_key_that_points_to_a_pooled_lease_stands_for_nothing(scene: World) -> None:
    """Whoever was about to claim it has died, or is late, and learns from the key that another has it."""
    pooled = await fill(scene.ports, WEB)
    until = scene.ports.now() + KEPT
    key = IdempotencyKey(digest_of(ALICE, WEB, "alice-1"), fingerprint_of(None, "", {}), pooled.id, until)
    pointing = await scene.leases.point(key)
    given = await issuing_once(scene)
    assert pooled.id != given.lease.id == key_of(scene).lease_id
    assert scene.leases.rows[pooled.id] == pooled
    with pytest.raises(LostRace):
        await scene.leases.point(pointing)


async def test_a_pooled_lease_that_is_claimed_under_a_key_is_the_repeats(scene: World) -> None:
    """Its id was there before the key: the key points to it first, and the claim writes the digest into it."""
    await fill(scene.ports, WEB)
    pooled = only(scene)
    key = IdempotencyKey(digest_of(ALICE, WEB, "alice-1"), fingerprint_of(None, "", {}), pooled, scene.ports.now() + KEPT)
    pointing = await scene.leases.point(key)
    given = await claim(scene.ports, request(), WEB)
    await scene.leases.swap(replace(given.lease, key_digest=key.digest), former=given.lease)
    await scene.leases.point(pointing)
    again = await issuing_once(scene)
    assert (pooled, 1) == (again.lease.id, again.lease.rotations)
    assert [pooled] == [*scene.leases.rows]


@pytest.mark.parametrize("name", ["leases.open", "leases.point"])
async def test_a_slow_request_answers_with_the_lease_of_the_one_that_took_its_key(scene: World, name: str) -> None:
    """Its own lease appears after the key was replaced, and nothing is made for it."""
    others: list[Issued] = []

    async def other() -> None:
        others.append(await issuing_once(scene))

    scene.calls.meanwhile(ORDINALS[name], other)
    given = await issuing_elsewhere(scene)
    assert name == scene.calls.made[ORDINALS[name] - 1].name
    assert [given.lease.id] == [each.lease.id for each in others] == active(scene)
    assert 1 == len(scene.calls.named("directory.upsert_application"))
    assert 1 == given.lease.rotations


async def test_a_slow_request_whose_lease_was_ended_meanwhile_leaves_it_to_its_end(scene: World) -> None:
    """A sweep has taken it up before the request sees that it has lost the key."""

    async def other() -> None:
        scene.clock.jump(25)
        await swept(scene)
        await issuing_once(scene)

    scene.calls.meanwhile(ORDINALS["leases.point"], other)
    given = await issuing_elsewhere(scene)
    await swept(scene, after=900)
    assert [given.lease.id] == active(scene)


@pytest.mark.parametrize("latency", [0.0, 0.3])
async def test_of_many_at_once_all_get_one_lease(scene: World, latency: float) -> None:
    """Whoever finds a key without its lease waits a moment for it."""
    scene.calls.latency = latency
    made = await asyncio.gather(*(issuing_elsewhere(scene) for _ in range(6)), *(issuing_once(scene) for _ in range(6)))
    assert 1 == len({each.lease.id for each in made}) == len(scene.leases.rows)


async def test_a_key_goes_before_its_lease_when_that_is_forgotten(scene: World) -> None:
    """A worker that dies between the two leaves a lease that is still due, and no key without a lease."""
    given = await issuing_elsewhere(scene)
    await revoke(scene.ports, request(), given.lease.id)
    scene.clock.jump(8 * _DAY)
    for ordinal in range(1, 40):
        if await _dies_pruning(scene, ordinal):
            break
    assert {} == scene.leases.keys
    assert [given.lease.id] == [*scene.leases.rows]
    await swept(scene)
    assert {} == scene.leases.rows


async def _dies_pruning(scene: World, ordinal: int) -> bool:
    """Whether a sweep that dies after that call has removed the key."""
    scene.calls.fail_at(len(scene.calls.made) + ordinal, Died(), after=True)
    with suppress(Died):
        await swept(scene)
    scene.calls.revive()
    return not scene.leases.keys


async def test_a_key_that_another_lease_has_taken_stays_when_its_former_lease_is_forgotten(scene: World) -> None:
    """The first came to nothing."""
    await died_at(scene, "leases.open")
    former = only(scene)
    await swept(scene, after=900)
    given = await issuing_once(scene)
    await scene.leases.remove(scene.leases.rows[former])
    assert given.lease.id == key_of(scene).lease_id


async def test_a_key_whose_lease_never_came_is_forgotten_once_it_is_over(scene: World) -> None:
    """By the hourly reconciliation, since no lease takes it along."""
    await died_at(scene, "leases.point")
    await reconcile(scene.ports, "r")
    assert {} != scene.leases.keys
    scene.clock.jump(_DAY + 1)
    await reconcile(scene.ports, "r")
    assert {} == scene.leases.keys


async def test_no_correctness_depends_on_the_wait(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds a key without its lease may as well take it over at once."""
    monkeypatch.setattr(idempotent, "_ON_ITS_WAY", 0.0)
    scene.calls.latency = 0.3
    made = await asyncio.gather(*(issuing_elsewhere(scene) for _ in range(4)))
    assert 1 == len({each.lease.id for each in made})
    await swept(scene, after=900)
    assert 1 == len(active(scene))
