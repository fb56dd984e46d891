from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.cloud.table_rest import Tables
from shared.cloud.tables import connect
from shared.cloud.turn_table import TableTurns
from shared.core.errors import LostRace, Unreachable
from shared.core.turn import Turn
from shared.issuers.turns import Turns
from tests.contract.stores import LOSSES, LossyLine
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.turns import MemoryTurns
from tests.fakes.world import EXISTING, guid

MINE = Turn(EXISTING, "mine", START + timedelta(seconds=10))
THEIRS = Turn(EXISTING, "theirs", START + timedelta(seconds=20))


@pytest.fixture
async def turns(connection: str | None) -> AsyncIterator[Turns]:
    """Each test runs on the fake and on Table Storage."""
    if connection is None:
        yield MemoryTurns(Calls(FakeClock()))
    else:
        async with connect(connection) as service:
            yield TableTurns(service, FixedIds())


async def test_a_turn_that_nobody_has_is_taken(turns: Turns) -> None:
    """And told with holder and deadline."""
    taken = await turns.take(MINE, former=None)
    assert taken.version
    assert taken == await turns.get(EXISTING)
    assert replace(taken, version="") == MINE


async def test_nobody_has_a_turn_at_first(turns: Turns) -> None:
    """Not even a table is there."""
    assert await turns.get(EXISTING) is None


async def test_of_two_the_second_loses(turns: Turns) -> None:
    """One holder an application."""
    taken = await turns.take(MINE, former=None)
    with pytest.raises(LostRace):
        await turns.take(THEIRS, former=None)
    assert taken == await turns.get(EXISTING)


async def test_turns_at_two_applications_are_two(turns: Turns) -> None:
    """Neither sees the other."""
    await turns.take(MINE, former=None)
    await turns.take(replace(THEIRS, application_id=guid(0x777)), former=None)
    found = [await turns.get(each) for each in (EXISTING, guid(0x777))]
    assert ["mine", "theirs"] == [each.holder for each in found if each]


async def test_a_renewed_turn_has_a_later_deadline_and_another_version(turns: Turns) -> None:
    """So that a waiter sees that its holder lives."""
    taken = await turns.take(MINE, former=None)
    renewed = await turns.take(replace(taken, until=THEIRS.until), former=taken)
    assert ("mine", THEIRS.until) == (renewed.holder, renewed.until)
    assert renewed.version != taken.version
    assert renewed == await turns.get(EXISTING)


async def test_the_turn_of_a_dead_holder_is_taken_over_by_one(turns: Turns) -> None:
    """Two who have seen the same row try: the second loses."""
    left = await turns.take(MINE, former=None)
    taken = await turns.take(THEIRS, former=left)
    with pytest.raises(LostRace):
        await turns.take(replace(THEIRS, holder="third"), former=left)
    assert taken == await turns.get(EXISTING)


async def test_who_was_followed_renews_no_more(turns: Turns) -> None:
    """It learns that it has lost its turn."""
    left = await turns.take(MINE, former=None)
    taken = await turns.take(THEIRS, former=left)
    with pytest.raises(LostRace):
        await turns.take(replace(left, until=THEIRS.until), former=left)
    assert taken == await turns.get(EXISTING)


async def test_what_a_loser_gives_back_stays(turns: Turns) -> None:
    """It is its follower's."""
    left = await turns.take(MINE, former=None)
    taken = await turns.take(THEIRS, former=left)
    await turns.give_back(left)
    assert taken == await turns.get(EXISTING)


async def test_a_turn_that_was_given_back_is_free(turns: Turns) -> None:
    """Giving it back twice does no harm."""
    taken = await turns.take(MINE, former=None)
    for _ in range(2):
        await turns.give_back(taken)
    assert await turns.get(EXISTING) is None
    assert "theirs" == (await turns.take(THEIRS, former=None)).holder


async def test_a_turn_that_is_gone_cannot_be_renewed(turns: Turns) -> None:
    """It was given back meanwhile."""
    taken = await turns.take(MINE, former=None)
    await turns.give_back(taken)
    with pytest.raises(LostRace):
        await turns.take(replace(taken, until=THEIRS.until), former=taken)
    assert await turns.get(EXISTING) is None


@pytest.fixture
async def wired(storage_connection: str) -> AsyncIterator[tuple[TableTurns, LossyLine]]:
    """Table Storage alone, over a wire that can lose an answer."""
    line = LossyLine()
    options: dict[str, Any] = {"transport": line, "retry_backoff_factor": 0.01}
    async with Tables.from_connection_string(storage_connection, **options) as service:
        yield TableTurns(service, FixedIds()), line


@LOSSES
async def test_a_turn_whose_answer_was_lost_is_ones_own(wired: tuple[TableTurns, LossyLine], loss: Exception) -> None:
    """A read tells that the row is the very one: taken and renewed all the same."""
    turns, line = wired
    line.loss = loss
    await turns.give_back(await turns.take(MINE, former=None))  # makes the table
    line.losing = True
    taken = await turns.take(MINE, former=None)
    line.losing = True
    renewed = await turns.take(replace(taken, until=THEIRS.until), former=taken)
    assert renewed == await turns.get(EXISTING)


async def test_a_turn_given_back_with_its_answer_lost_is_free(wired: tuple[TableTurns, LossyLine]) -> None:
    """Whoever gave it back is told of the silence, and need not do anything about it."""
    turns, line = wired
    taken = await turns.take(MINE, former=None)
    line.losing = True
    with pytest.raises(Unreachable):
        await turns.give_back(taken)
    assert await turns.get(EXISTING) is None


async def test_a_bug_behind_a_turn_that_was_taken_comes_out(wired: tuple[TableTurns, LossyLine]) -> None:
    """Only a lost answer is looked after."""
    turns, line = wired
    await turns.give_back(await turns.take(MINE, former=None))
    line.losing, line.loss = True, ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await turns.take(MINE, former=None)
