from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.errors import LostRace
from shared.core.idempotency_key import IdempotencyKey, digest_of
from shared.core.lease import Cause, Lease
from shared.core.names import LeaseId
from tests.contract.stores import Stores, lease
from tests.fakes.clock import START
from tests.fakes.world import ALICE, WEB

DIGEST = digest_of(ALICE, WEB, "k")


def keyed(number: int, version: str = "") -> tuple[Lease, IdempotencyKey]:
    """A lease and its key, in one partition; another lease for each number."""
    key = IdempotencyKey(DIGEST, "f", LeaseId(""), START + timedelta(days=1), version)
    ids = (LeaseId.of(WEB, f"{each:026d}") for each in range(1000 * number, 1000 * number + 1000))
    lease_id = next(each for each in ids if each.shard == key.shard)
    return replace(lease(), id=lease_id, key_digest=DIGEST), replace(key, lease_id=lease_id)


async def test_a_key_that_nobody_used_is_none(stores: Stores) -> None:
    """With and without a table."""
    assert await stores.leases.find_key(DIGEST) is None
    await stores.leases.open(lease())
    assert await stores.leases.find_key(DIGEST) is None


async def test_a_key_reads_back_beside_its_lease(stores: Stores) -> None:
    """Both, with what they say of one another."""
    wanted, key = keyed(1)
    opened = await stores.leases.open(wanted, key)
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    assert found.version
    assert (key, opened) == (replace(found, version=""), await stores.leases.get(key.lease_id))


async def test_a_lease_that_was_reissued_reads_back(stores: Stores) -> None:
    """Through the whole of a fresh secret."""
    wanted, key = keyed(1)
    current = await stores.leases.open(wanted, key)
    life: list[Callable[[Lease], Lease]] = [
        lambda it: it.activated(START, ready=True),
        lambda it: it.rotating(START + timedelta(seconds=60)),
        lambda it: it.rotated(it.footprint, START, ready=False, maybe_more_secrets=True),
        lambda it: it.ending(Cause.REVOKED, START, START),
        lambda it: it.force_ended(START, timedelta(days=7)),
    ]
    for change in life:
        current = await stores.leases.swap(change(current), former=current)
        assert current == await stores.leases.get(current.id)
    assert (1, True) == (current.rotations, current.handed_out)


async def test_a_key_that_is_taken_opens_no_lease(stores: Stores) -> None:
    """Neither row is written."""
    first, key = keyed(1)
    await stores.leases.open(first, key)
    second, again = keyed(2)
    with pytest.raises(LostRace):
        await stores.leases.open(second, again)
    assert await stores.leases.get(second.id) is None
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    assert key.lease_id == found.lease_id


async def test_of_many_with_one_key_one_opens_its_lease(stores: Stores) -> None:
    """The others are told that they lost."""
    results = await asyncio.gather(*(stores.leases.open(*keyed(each)) for each in range(6)), return_exceptions=True)
    (winner,) = [each for each in results if isinstance(each, Lease)]
    assert 5 == sum(isinstance(each, LostRace) for each in results)
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    assert winner.id == found.lease_id


async def test_a_key_is_taken_over_by_whoever_knows_its_version(stores: Stores) -> None:
    """Once: the second finds it changed."""
    await stores.leases.open(*keyed(1))
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    await stores.leases.open(*keyed(2, found.version))
    with pytest.raises(LostRace):
        await stores.leases.open(*keyed(3, found.version))
    now = await stores.leases.find_key(DIGEST)
    assert now is not None
    assert keyed(2)[1].lease_id == now.lease_id


async def test_a_key_that_is_gone_is_not_taken_over(stores: Stores) -> None:
    """It is asked for anew."""
    opened = await stores.leases.open(*keyed(1))
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    await stores.leases.remove(opened)
    with pytest.raises(LostRace):
        await stores.leases.open(*keyed(2, found.version))
    assert await stores.leases.get(keyed(2)[0].id) is None


async def test_a_key_is_forgotten_with_its_lease_and_with_no_other(stores: Stores) -> None:
    """One that was taken over stays when the former lease goes."""
    first = await stores.leases.open(*keyed(1))
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    second = await stores.leases.open(*keyed(2, found.version))
    await stores.leases.remove(first)
    assert await stores.leases.find_key(DIGEST) is not None
    await stores.leases.remove(second)
    await stores.leases.remove(second)
    assert await stores.leases.find_key(DIGEST) is None


async def test_opening_under_a_key_whose_answer_was_lost_counts_as_opened(tables: Stores) -> None:
    """Whoever wrote it recognises its own work, and does not take itself for another."""
    assert tables.line is not None
    await tables.leases.open(lease(2))
    tables.line.losing = True
    opened = await tables.leases.open(*keyed(1))
    assert opened == await tables.leases.get(opened.id)
    assert not tables.line.losing


def elsewhere(number: int, version: str = "") -> tuple[Lease, IdempotencyKey]:
    """A lease, and its key in another partition; another lease for each number."""
    ids = (LeaseId.of(WEB, f"{each:026d}") for each in range(1000 * number, 1000 * number + 1000))
    key = IdempotencyKey(DIGEST, "f", LeaseId(""), START + timedelta(days=1), version)
    lease_id = next(each for each in ids if each.shard != key.shard)
    return replace(lease(), id=lease_id, key_digest=DIGEST), replace(key, lease_id=lease_id)


async def pointing(stores: Stores, number: int) -> tuple[Lease, IdempotencyKey]:
    """Both, stored: the key first."""
    wanted, key = elsewhere(number)
    pointed = await stores.leases.point(key)
    return await stores.leases.open(wanted), pointed


async def test_a_key_points_to_a_lease_that_is_not_there_yet(stores: Stores) -> None:
    """Whoever finds it sees that it has no lease."""
    wanted, key = elsewhere(1)
    pointed = await stores.leases.point(key)
    assert replace(key, version=pointed.version) == pointed == await stores.leases.find_key(DIGEST)
    assert await stores.leases.get(wanted.id) is None
    opened = await stores.leases.open(wanted)
    assert (DIGEST, opened) == (opened.key_digest, await stores.leases.get(key.lease_id))


async def test_a_key_that_points_is_replaced_by_whoever_knows_its_version(stores: Stores) -> None:
    """Once; by its own request, too, which learns in this way whether another has taken it."""
    _, first = await pointing(stores, 1)
    with pytest.raises(LostRace):
        await stores.leases.point(elsewhere(2)[1])
    once_more = await stores.leases.point(first)
    assert once_more.version != first.version
    for late in (first, replace(elsewhere(2)[1], version=first.version)):
        with pytest.raises(LostRace):
            await stores.leases.point(late)
    assert once_more == await stores.leases.find_key(DIGEST)
    taken = await stores.leases.point(replace(elsewhere(2)[1], version=once_more.version))
    with pytest.raises(LostRace):
        await stores.leases.point(once_more)
    assert taken == await stores.leases.find_key(DIGEST)


async def test_of_many_that_point_with_one_key_one_succeeds(stores: Stores) -> None:
    """Also with the very same lease: each knows its own write."""
    results = await asyncio.gather(*(stores.leases.point(elsewhere(1)[1]) for _ in range(5)), return_exceptions=True)
    assert (1, 4) == (
        sum(isinstance(each, IdempotencyKey) for each in results),
        sum(isinstance(each, LostRace) for each in results),
    )


async def test_a_key_that_points_elsewhere_is_taken_over_beside_a_lease_and_back(stores: Stores) -> None:
    """A direct issue writes both at once, whatever stood there."""
    _, first = await pointing(stores, 1)
    await stores.leases.open(*keyed(2, first.version))
    found = await stores.leases.find_key(DIGEST)
    assert found is not None
    assert (keyed(2)[1].lease_id, True) == (found.lease_id, found.is_beside)
    again = await stores.leases.point(elsewhere(3, found.version)[1])
    assert again == await stores.leases.find_key(DIGEST)


async def test_a_key_that_is_gone_cannot_be_pointed_anew(stores: Stores) -> None:
    """Its request has lost it."""
    opened, key = await pointing(stores, 1)
    await stores.leases.remove(opened)
    with pytest.raises(LostRace):
        await stores.leases.point(key)
    assert await stores.leases.find_key(DIGEST) is None


async def test_a_key_in_another_partition_is_forgotten_with_its_lease_and_with_no_other(stores: Stores) -> None:
    """As one beside it."""
    first, key = await pointing(stores, 1)
    await stores.leases.point(elsewhere(2, key.version)[1])
    second = await stores.leases.open(elsewhere(2)[0])
    await stores.leases.remove(first)
    assert await stores.leases.find_key(DIGEST) is not None
    await stores.leases.remove(second)
    assert await stores.leases.find_key(DIGEST) is None
    assert (None, None) == (await stores.leases.get(first.id), await stores.leases.get(second.id))


async def test_keys_in_other_partitions_are_forgotten_when_they_are_over(stores: Stores) -> None:
    """Those beside their leases go with them alone."""
    wanted, key = elsewhere(1)
    await stores.leases.point(key)
    digest = digest_of(ALICE, WEB, "beside")
    ids = (LeaseId.of(WEB, f"{each:026d}") for each in range(5000, 6000))
    beside = replace(key, digest=digest, until=START)
    beside = replace(beside, lease_id=next(each for each in ids if each.shard == beside.shard))
    await stores.leases.open(replace(lease(), id=beside.lease_id, key_digest=digest), beside)
    await stores.leases.forget_keys(key.until)
    assert await stores.leases.find_key(DIGEST) is not None
    await stores.leases.forget_keys(key.until + timedelta(seconds=1))
    assert await stores.leases.find_key(DIGEST) is None
    assert await stores.leases.find_key(digest) is not None
    assert await stores.leases.get(wanted.id) is None


async def test_pointing_with_a_key_whose_answer_was_lost_counts_as_done(tables: Stores) -> None:
    """The first time, and when the key is written once more."""
    assert tables.line is not None
    await tables.leases.open(lease(2))
    key = elsewhere(1)[1]
    for _ in range(2):
        tables.line.losing = True
        key = await tables.leases.point(key)
        assert key == await tables.leases.find_key(DIGEST)
        assert not tables.line.losing
