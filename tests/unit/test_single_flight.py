from __future__ import annotations

import asyncio
import logging

import pytest

from shared.resilience.priority import Priority, answer_deadline, current, limit_deadline
from shared.resilience.single_flight import SingleFlight


class Work:
    """Counts its runs; each lasts until the test lets it go."""

    def __init__(self) -> None:
        self.runs = 0
        self.done = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> int:
        """The number of this run."""
        self.runs += 1
        run = self.runs
        await self.done.wait()
        if self.failure:
            raise self.failure
        return run


async def settle() -> None:
    """Lets everybody run as far as they get."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_ask_meanwhile_share_one_run() -> None:
    """A hundred askers, one piece of work."""
    work = Work()
    flight = SingleFlight(work, "work")
    asking = [asyncio.ensure_future(flight.outcome()) for _ in range(100)]
    await settle()
    work.done.set()
    assert [1] * 100 == await asyncio.gather(*asking)


async def test_who_asks_afterwards_has_it_run_again() -> None:
    """Nothing is kept."""
    work = Work()
    work.done.set()
    flight = SingleFlight(work, "work")
    assert [1, 2] == [await flight.outcome(), await flight.outcome()]


async def test_one_who_gives_up_leaves_the_others_their_outcome() -> None:
    """The first asker started it; that it is cancelled stops nothing."""
    work = Work()
    flight = SingleFlight(work, "work")
    first, second = asyncio.ensure_future(flight.outcome()), asyncio.ensure_future(flight.outcome())
    await settle()
    first.cancel()
    await settle()
    work.done.set()
    assert 1 == await second
    assert first.cancelled()


async def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    """The next asker gets another try."""
    work = Work()
    work.failure = ValueError("broken")
    work.done.set()
    flight = SingleFlight(work, "work")
    outcomes = await asyncio.gather(flight.outcome(), flight.outcome(), return_exceptions=True)
    work.failure = None
    assert [ValueError, ValueError] == [type(each) for each in outcomes]
    assert 2 == await flight.outcome()


async def test_a_failure_in_the_background_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it, and still it is heard of."""
    work = Work()
    work.failure = ValueError("broken")
    work.done.set()
    with caplog.at_level(logging.WARNING):
        SingleFlight(work, "reading keys").in_background()
        await settle()
    assert ["reading keys failed: broken"] == [record.getMessage() for record in caplog.records]


async def test_the_background_run_is_joined_by_those_who_wait() -> None:
    """It is the same piece of work."""
    work = Work()
    flight = SingleFlight(work, "work")
    under_way = [flight.is_under_way]
    flight.in_background()
    waiting = asyncio.ensure_future(flight.outcome())
    await settle()
    under_way.append(flight.is_under_way)
    work.done.set()
    await waiting
    assert [False, True, False] == [*under_way, flight.is_under_way]
    assert 1 == work.runs


async def test_the_end_of_whoever_asks_first_is_not_the_works() -> None:
    """Others wait for it who have more time."""

    async def work() -> Priority:
        return current()

    with answer_deadline(0.0), limit_deadline(0.0):
        assert Priority() == await SingleFlight(work, "work").outcome()
