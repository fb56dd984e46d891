"""Answers that are remembered for a while."""

from __future__ import annotations

import asyncio

import pytest

from shared.resilience.remembered import Limits, Remembered
from tests.fakes.clock import FakeClock

FOREVER = Limits(life=1e9, weight=1000)


class Oracle:
    """Answers with the number of the question, and each answer weighs as much as the test says."""

    def __init__(self, clock: FakeClock, limits: Limits = FOREVER, weight: int = 1) -> None:
        self.asked: list[str] = []
        self.weight = weight
        self.lasts = 0.0
        self.failure: Exception | None = None
        self.clock = clock
        self.remembered: Remembered[str, int] = Remembered(self._ask, lambda _: self.weight, limits, clock, "asking")

    async def _ask(self, key: str) -> int:
        self.asked.append(key)
        number = len(self.asked)
        await self.clock.sleep(self.lasts)
        if self.failure:
            raise self.failure
        return number

    async def answers(self, *keys: str) -> list[int]:
        """One after the other."""
        return [await self.remembered.answer(key) for key in keys]


@pytest.fixture
def clock() -> FakeClock:
    """Time."""
    return FakeClock()


async def test_an_answer_is_asked_for_once_in_its_life(clock: FakeClock) -> None:
    """And again when its life is over."""
    oracle = Oracle(clock, Limits(life=300, weight=10))
    assert [1, 1] == await oracle.answers("a", "a")
    clock.jump(299.9)
    assert [1] == await oracle.answers("a")
    clock.jump(0.1)
    assert [2] == await oracle.answers("a")


async def test_the_life_of_an_answer_begins_with_the_question(clock: FakeClock) -> None:
    """It may have been true then, and no longer when it arrived."""
    oracle = Oracle(clock, Limits(life=300, weight=10))
    oracle.lasts = 8
    assert [1] == await oracle.answers("a")
    clock.jump(291.9)
    assert [1] == await oracle.answers("a")
    clock.jump(0.1)
    assert [2] == await oracle.answers("a")


async def test_with_no_life_every_question_is_asked(clock: FakeClock) -> None:
    """Nothing is remembered then."""
    oracle = Oracle(clock, Limits(life=0, weight=10))
    assert [1, 2] == await oracle.answers("a", "a")
    assert 0 == len(oracle.remembered)


@pytest.mark.parametrize("life", [0, 300])
async def test_fifty_who_ask_at_the_same_time_share_one_question(clock: FakeClock, life: float) -> None:
    """Whether the answer is remembered or not. Another key is another question."""
    oracle = Oracle(clock, Limits(life, weight=10))
    oracle.lasts = 1
    found = await asyncio.gather(*(oracle.remembered.answer(key) for key in ["a", "b"] * 50))
    assert (["a", "b"], [1, 2] * 50) == (oracle.asked, found)


async def test_an_answer_without_weight_is_not_remembered(clock: FakeClock) -> None:
    """So an absence or a failure is asked for again at once."""
    oracle = Oracle(clock, weight=0)
    assert [1, 2] == await oracle.answers("a", "a")


async def test_a_failure_is_raised_and_not_remembered(clock: FakeClock) -> None:
    """The next question is asked, and its answer is remembered."""
    oracle = Oracle(clock)
    oracle.failure = LookupError("no")
    with pytest.raises(LookupError):
        await oracle.answers("a")
    oracle.failure = None
    assert [2, 2] == await oracle.answers("a", "a")


async def test_what_was_read_longest_ago_is_forgotten_first(clock: FakeClock) -> None:
    """If there is too much. What is asked for often is not kept longer for it: its life is over soon anyway."""
    oracle = Oracle(clock, Limits(life=300, weight=3))
    await oracle.answers("a", "b", "c", "a", "d")
    assert (3, [2, 3, 4]) == (len(oracle.remembered), await oracle.answers("b", "c", "d"))
    assert [5] == await oracle.answers("a")


async def test_a_heavy_answer_takes_the_place_of_several(clock: FakeClock) -> None:
    """Weights are added up; an answer that is too heavy alone is never remembered, and pushes nothing out."""
    oracle = Oracle(clock, Limits(life=300, weight=3))
    await oracle.answers("a", "b")
    oracle.weight = 2
    await oracle.answers("c")
    assert [2, 3] == await oracle.answers("b", "c")
    oracle.weight = 4
    assert [4, 5] == await oracle.answers("d", "d")
    assert [2, 3] == await oracle.answers("b", "c")


async def test_a_fresh_answer_replaces_the_old_one_and_its_weight(clock: FakeClock) -> None:
    """Else an answer that is read a thousand times would push everything else out."""
    oracle = Oracle(clock, Limits(life=300, weight=2))
    for _ in range(5):
        await oracle.answers("a")
        clock.jump(300)
    await oracle.answers("a", "b")
    assert (2, [6, 7]) == (len(oracle.remembered), await oracle.answers("a", "b"))


async def test_a_question_outlives_whoever_has_asked_it(clock: FakeClock) -> None:
    """The answer is there for the next."""
    oracle = Oracle(clock)
    clock.moves_by_itself = False
    oracle.lasts = 1
    asking = asyncio.ensure_future(oracle.remembered.answer("a"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    clock.wake_next()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ([1], ["a"]) == (await oracle.answers("a"), oracle.asked)


async def test_nothing_is_left_of_a_question_that_was_answered(clock: FakeClock) -> None:
    """Else a worker would hold something of every caller that it has ever seen."""
    oracle = Oracle(clock, weight=0)
    await oracle.answers("a", "b")
    oracle.failure = LookupError("no")
    with pytest.raises(LookupError):
        await oracle.answers("c")
    assert {} == oracle.remembered._under_way
