from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.cloud.storage.application_lock_table import TableApplicationLocks
from shared.cloud.storage.table_rest import Tables
from shared.cloud.storage.tables import connect
from shared.core.application_lock import LockRecord
from shared.core.errors import LostRace, Unreachable
from shared.issuers.application_secret.lock import LockStore
from tests.contract.stores import LOSSES, LossyLine
from tests.fakes.application_locks import MemoryApplicationLocks
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.world import EXISTING, guid

MINE = LockRecord(EXISTING, "mine", START + timedelta(seconds=10))
THEIRS = LockRecord(EXISTING, "theirs", START + timedelta(seconds=20))


@pytest.fixture
async def locks(connection: str | None) -> AsyncIterator[LockStore]:
    """Each test runs on the fake and on Table Storage."""
    if connection is None:
        yield MemoryApplicationLocks(Calls(FakeClock()))
    else:
        async with connect(connection) as service:
            yield TableApplicationLocks(service, FixedIds())


async def test_a_turn_that_nobody_has_is_taken(locks: LockStore) -> None:
    """And told with holder and deadline."""
    taken = await locks.take(MINE, former=None)
    assert taken.version
    assert taken == await locks.get(EXISTING)
    assert replace(taken, version="") == MINE


async def test_nobody_has_a_turn_at_first(locks: LockStore) -> None:
    """Not even a table is there."""
    assert await locks.get(EXISTING) is None


async def test_of_two_the_second_loses(locks: LockStore) -> None:
    """One holder an application."""
    taken = await locks.take(MINE, former=None)
    with pytest.raises(LostRace):
        await locks.take(THEIRS, former=None)
    assert taken == await locks.get(EXISTING)


async def test_turns_at_two_applications_are_two(locks: LockStore) -> None:
    """Neither sees the other."""
    await locks.take(MINE, former=None)
    await locks.take(replace(THEIRS, application_id=guid(0x777)), former=None)
    found = [await locks.get(each) for each in (EXISTING, guid(0x777))]
    assert ["mine", "theirs"] == [each.holder for each in found if each]


async def test_a_renewed_turn_has_a_later_deadline_and_another_version(locks: LockStore) -> None:
    """So that a waiter sees that its holder lives."""
    taken = await locks.take(MINE, former=None)
    renewed = await locks.take(replace(taken, until=THEIRS.until), former=taken)
    assert ("mine", THEIRS.until) == (renewed.holder, renewed.until)
    assert renewed.version != taken.version
    assert renewed == await locks.get(EXISTING)


async def test_the_turn_of_a_dead_holder_is_taken_over_by_one(locks: LockStore) -> None:
    """Two who have seen the same row try: the second loses."""
    left = await locks.take(MINE, former=None)
    taken = await locks.take(THEIRS, former=left)
    with pytest.raises(LostRace):
        await locks.take(replace(THEIRS, holder="third"), former=left)
    assert taken == await locks.get(EXISTING)


async def test_who_was_followed_renews_no_more(locks: LockStore) -> None:
    """It learns that it has lost its turn."""
    left = await locks.take(MINE, former=None)
    taken = await locks.take(THEIRS, former=left)
    with pytest.raises(LostRace):
        await locks.take(replace(left, until=THEIRS.until), former=left)
    assert taken == await locks.get(EXISTING)


async def test_what_a_loser_gives_back_stays(locks: LockStore) -> None:
    """It is its follower's."""
    left = await locks.take(MINE, former=None)
    taken = await locks.take(THEIRS, former=left)
    await locks.release(left)
    assert taken == await locks.get(EXISTING)


async def test_a_turn_that_was_given_back_is_free(locks: LockStore) -> None:
    """Giving it back twice does no harm."""
    taken = await locks.take(MINE, former=None)
    for _ in range(2):
        await locks.release(taken)
    assert await locks.get(EXISTING) is None
    assert "theirs" == (await locks.take(THEIRS, former=None)).holder


async def test_a_turn_that_is_gone_cannot_be_renewed(locks: LockStore) -> None:
    """It was given back meanwhile."""
    taken = await locks.take(MINE, former=None)
    await locks.release(taken)
    with pytest.raises(LostRace):
        await locks.take(replace(taken, until=THEIRS.until), former=taken)
    assert await locks.get(EXISTING) is None


@pytest.fixture
async def over_a_wire(storage_connection: str) -> AsyncIterator[tuple[TableApplicationLocks, LossyLine]]:
    """Table Storage alone, over a wire that can lose an answer."""
    line = LossyLine()
    options: dict[str, Any] = {"transport": line, "retry_backoff_factor": 0.01}
    async with Tables.from_connection_string(storage_connection, **options) as service:
        yield TableApplicationLocks(service, FixedIds()), line


@LOSSES
async def test_a_turn_whose_answer_was_lost_is_ones_own(
    over_a_wire: tuple[TableApplicationLocks, LossyLine], loss: Exception
) -> None:
    """A read tells that the row is the very one: taken and renewed all the same."""
    locks, line = over_a_wire
    line.loss = loss
    await locks.release(await locks.take(MINE, former=None))  # makes the table
    line.losing = True
    taken = await locks.take(MINE, former=None)
    line.losing = True
    renewed = await locks.take(replace(taken, until=THEIRS.until), former=taken)
    assert renewed == await locks.get(EXISTING)


async def test_a_turn_given_back_with_its_answer_lost_is_free(over_a_wire: tuple[TableApplicationLocks, LossyLine]) -> None:
    """Whoever gave it back is told of the silence, and need not do anything about it."""
    locks, line = over_a_wire
    taken = await locks.take(MINE, former=None)
    line.losing = True
    with pytest.raises(Unreachable):
        await locks.release(taken)
    assert await locks.get(EXISTING) is None


async def test_a_bug_behind_a_turn_that_was_taken_comes_out(over_a_wire: tuple[TableApplicationLocks, LossyLine]) -> None:
    """Only a lost answer is looked after."""
    locks, line = over_a_wire
    await locks.release(await locks.take(MINE, former=None))
    line.losing, line.loss = True, ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await locks.take(MINE, former=None)
