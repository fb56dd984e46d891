"""Rounds of tries: when each is made, and how a round ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shared.core.readiness.errors import NeverReady
from shared.core.readiness.verdicts import Verdict, Word
from shared.resilience.rounds import ALONE, TRIES, Rounds, in_turns
from tests.fakes.clock import FakeClock

LONG = 60.0
WHOLE = [0.0, 0.1, 0.2, 0.3, *[0.4] * 3, *[0.5] * 3]
"""When the tries of a first round begin, if each takes a tenth of a second."""
SECOND = [*[0.0] * 5, *[0.1] * 5]
PAUSE = 2.0


@pytest.fixture
def clock() -> FakeClock:
    """Virtual time."""
    return FakeClock()


@dataclass
class Tried:
    """Something that is tried. ``seconds``: of each try. ``answers``: of the tries by number; the others say yes."""

    clock: FakeClock
    answers: dict[int, Verdict] = field(default_factory=dict)
    seconds: float = 0.1
    begun: list[float] = field(default_factory=list)
    ended: int = 0
    began: float = 0.0

    async def __call__(self) -> Verdict:
        """One try."""
        self.begun.append(round(self.clock.monotonic() - self.began, 3))
        number = len(self.begun)
        await self.clock.sleep(self.seconds)
        self.ended += 1
        return self.answers.get(number, Verdict(Word.YES))

    async def passes(self, seconds: float = LONG) -> bool:
        """Whether two rounds come to pass in so many seconds."""
        self.began = self.clock.monotonic()
        return await Rounds(self.clock, self, self.began + seconds, "it").pass_all()


def later(seconds: float, *offsets: float) -> list[float]:
    """The instants, so much later."""
    return [round(seconds + each, 3) for each in offsets]


async def test_a_first_round_begins_with_single_tries_and_a_second_with_several(clock: FakeClock) -> None:
    """Ten in each, and two seconds between them."""
    tried = Tried(clock)
    assert await tried.passes()
    assert [*WHOLE, *later(0.6 + PAUSE, *SECOND)] == tried.begun
    assert [2.8, 20] == [round(clock.monotonic() - tried.began, 3), tried.ended]


@pytest.mark.parametrize("number", range(1, 11))
async def test_the_first_no_ends_a_first_round(clock: FakeClock, number: int) -> None:
    """Two seconds later it begins again. Up to the fourth try, none is made in vain."""
    tried = Tried(clock, {number: Verdict(Word.NOT_YET)})
    assert await tried.passes()
    broken = [each for each in tried.begun if each < PAUSE]
    assert number <= len(broken) <= (number if number <= ALONE else TRIES)
    assert later(WHOLE[number - 1] + 0.1 + PAUSE, *WHOLE) == tried.begun[len(broken) :][:10]
    assert len(broken) + 20 == len(tried.begun)


@pytest.mark.parametrize("number", range(11, 21))
async def test_after_a_no_in_a_second_round_the_first_begins_again(clock: FakeClock, number: int) -> None:
    """Both are made anew."""
    tried = Tried(clock, {number: Verdict(Word.NOT_YET)})
    assert await tried.passes()
    no = tried.begun[number - 1] + 0.1
    assert later(no + PAUSE, *WHOLE) == tried.begun[-20:-10]
    assert number <= len(tried.begun) - 20 <= 20


async def test_a_try_that_says_nothing_is_made_again(clock: FakeClock) -> None:
    """It breaks no round, and counts for nothing. The others go on meanwhile."""
    tried = Tried(clock, {6: Verdict(Word.NOTHING, retry_after=7), 13: Verdict(Word.NOTHING)})
    assert await tried.passes()
    assert 22 == tried.ended
    assert 0.5 + 7 == tried.begun[10]


@pytest.mark.parametrize("number", [1, 6, 13])
async def test_a_no_that_stays_ends_everything(clock: FakeClock, number: int) -> None:
    """What is under way beside it is given up."""
    tried = Tried(clock, {number: Verdict(Word.NEVER, "AADSTS1")})
    with pytest.raises(NeverReady):
        await tried.passes()
    begun = len(tried.begun)
    await clock.sleep(10)
    assert begun == len(tried.begun)


@pytest.mark.parametrize("seconds", [0.05, 0.35, 0.45, 2.0, 2.65])
async def test_no_try_begins_after_the_deadline(clock: FakeClock, seconds: float) -> None:
    """Wherever in the rounds that is."""
    tried = Tried(clock)
    assert not await tried.passes(seconds)
    assert max(tried.begun) < seconds


async def test_a_turn_ends_at_a_no_and_not_within_a_round(clock: FakeClock) -> None:
    """Rounds that come to pass are made to their end."""
    with in_turns(clock.monotonic() + 0.45):
        assert await Tried(clock).passes()
        assert not await Tried(clock, {5: Verdict(Word.NOT_YET)}).passes()
