from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import pytest

from shared.core.errors import Absent, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.resilience.retry import SAFE_TO_REPEAT, TRANSIENT, Retry
from shared.resilience.tasks import all_of, both, stop
from tests.fakes.clock import FakeClock, FixedIds


class Answers:
    """Raises what it is told, in order, then answers; notes when it was asked."""

    def __init__(self, clock: FakeClock, troubles: Sequence[Exception]) -> None:
        self.asked: list[float] = []
        self._clock = clock
        self._troubles = list(troubles)

    async def __call__(self) -> str:
        """The next trouble, or the answer."""
        self.asked.append(self._clock.monotonic() - 1000)
        if self._troubles:
            raise self._troubles.pop(0)
        return "answer"


class Steady(FixedIds):
    """No jitter either way."""

    def jitter(self) -> float:
        """The middle."""
        return 0.5


@pytest.fixture
def clock() -> FakeClock:
    """Virtual time."""
    return FakeClock()


@pytest.fixture
def retry(clock: FakeClock) -> Retry:
    """With exact pauses."""
    return Retry(clock, Steady())


async def test_pauses_double_up_to_five_seconds(clock: FakeClock, retry: Retry) -> None:
    """Half a second, one, two, four, five, five."""
    call = Answers(clock, [Unavailable()] * 6)
    assert "answer" == await retry.call(call, on=SAFE_TO_REPEAT, deadline=2000)
    assert [0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5] == call.asked


async def test_repeats_only_what_it_is_told_to(clock: FakeClock, retry: Retry) -> None:
    """A lost answer is not among the failures that pass by themselves."""
    call = Answers(clock, [Unreachable()])
    with pytest.raises(Unreachable):
        await retry.call(call, on=TRANSIENT, deadline=2000)
    assert [0] == call.asked


async def test_stops_at_the_first_definite_no(clock: FakeClock, retry: Retry) -> None:
    """After some that pass."""
    call = Answers(clock, [Throttled(), Refused()])
    with pytest.raises(Refused):
        await retry.call(call, on=SAFE_TO_REPEAT, deadline=2000)
    assert [0, 0.5] == call.asked


async def test_obeys_retry_after(clock: FakeClock, retry: Retry) -> None:
    """The pause comes on top, so that not everybody returns at that instant."""
    call = Answers(clock, [Throttled(retry_after=17.0)])
    await retry.call(call, on=SAFE_TO_REPEAT, deadline=2000)
    assert [0, 17.5] == call.asked


async def test_gives_up_in_time_with_the_last_error_and_its_cause(clock: FakeClock, retry: Retry) -> None:
    """It does not begin a pause that would end too late."""
    last = Unavailable("the last")
    last.__cause__ = OSError("the wire")
    call = Answers(clock, [Unavailable("first"), last, Unavailable("never asked for")])
    with pytest.raises(Unavailable) as caught:
        await retry.call(call, on=SAFE_TO_REPEAT, deadline=1001.5)
    assert (last, "the wire") == (caught.value, str(caught.value.__cause__))
    assert [0, 0.5] == call.asked


async def test_gives_up_at_once_when_azure_asks_for_too_long_a_pause(clock: FakeClock, retry: Retry) -> None:
    """Waiting for nothing helps nobody."""
    call = Answers(clock, [Throttled(retry_after=600)])
    with pytest.raises(Throttled):
        await retry.call(call, on=SAFE_TO_REPEAT, deadline=1100)
    assert 1000 == clock.monotonic()


async def test_tries_once_even_when_it_is_late(clock: FakeClock, retry: Retry) -> None:
    """An undo is begun whatever the time."""
    call = Answers(clock, [])
    assert "answer" == await retry.call(call, on=SAFE_TO_REPEAT, deadline=0)


async def test_a_step_of_an_issue_is_not_begun_late(clock: FakeClock, retry: Retry) -> None:
    """Nothing is made any more once others may believe that everything was."""
    call = Answers(clock, [])
    with pytest.raises(Unreachable):
        await retry.call(call, on=SAFE_TO_REPEAT, deadline=1000, in_time=True)
    assert [] == call.asked


async def test_all_of_waits_for_everything_and_raises_the_first_in_order(clock: FakeClock) -> None:
    """Nothing is left under way."""
    done: list[float] = []

    async def work(seconds: float, error: Exception | None) -> None:
        await clock.sleep(seconds)
        done.append(seconds)
        if error:
            raise error

    with pytest.raises(Absent):
        await all_of(work(3, None), work(2, Absent()), work(1, Refused()))
    assert [1, 2, 3] == done


async def test_all_of_gives_results_in_the_order_of_the_work(clock: FakeClock) -> None:
    """Not in that of their completion."""

    async def work(seconds: float) -> float:
        await clock.sleep(seconds)
        return seconds

    assert [3, 1, 2] == await all_of(work(3), work(1), work(2))


async def test_both_wait_for_each_other(clock: FakeClock) -> None:
    """The slower one is done when the quicker one's failure is raised."""
    done: list[str] = []

    async def slow() -> None:
        await clock.sleep(5)
        done.append("slow")

    async def quick() -> None:
        raise Refused

    for pair in ((slow(), quick()), (quick(), slow())):
        with pytest.raises(Refused):
            await both(*pair)
    assert ["slow", "slow"] == done


async def test_cancelling_both_cancels_each(clock: FakeClock) -> None:
    """A caller that goes away leaves nothing under way."""
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(name)

    task = asyncio.create_task(both(work("a"), work("b")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert ["a", "b"] == ended
    assert 1000 == clock.monotonic()


async def test_work_that_nobody_awaits_is_stopped_and_told_of_when_it_broke(caplog: pytest.LogCaptureFixture) -> None:
    """What was only stopped is no news."""

    async def breaking() -> None:
        raise ZeroDivisionError

    async def lasting() -> None:
        await asyncio.get_running_loop().create_future()

    log = logging.getLogger("test")
    for work in (lasting, breaking):
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await stop(task, log, f"the {work.__name__} one")
        assert task.done()
    (record,) = caplog.records
    assert ("the breaking one broke", ZeroDivisionError) == (record.message, record.exc_info and record.exc_info[0])


@pytest.mark.parametrize("last", [Refused, lambda: Throttled(retry_after=9999)], ids=["refused", "throttled"])
@pytest.mark.parametrize(
    ("before", "doubtful"), [([], False), ([Throttled], False), ([Unreachable], True), ([Unreachable, Throttled], True)]
)
async def test_the_last_failure_says_whether_an_earlier_try_may_have_counted(
    clock: FakeClock, retry: Retry, before: list[type[Upstream]], *, doubtful: bool, last: Callable[[], Upstream]
) -> None:
    """Whether it is one that would be repeated or not."""
    call = Answers(clock, [*(each() for each in before), last()])
    with pytest.raises(Upstream) as failure:
        await retry.call(call, on=SAFE_TO_REPEAT, deadline=2000)
    assert len(before) + 1 == len(call.asked)
    assert doubtful is failure.value.is_after_doubt


async def test_a_doubt_within_a_repetition_is_one_of_the_repetition_around_it(clock: FakeClock, retry: Retry) -> None:
    """The inner one gives up after a lost answer, at a failure that the outer one repeats."""
    call = Answers(clock, [Unreachable(), Throttled(), Refused()])

    async def inner() -> str:
        return await retry.call(call, on=(Unreachable,), deadline=2000)

    with pytest.raises(Refused) as failure:
        await retry.call(inner, on=(Throttled,), deadline=2000)
    assert failure.value.is_after_doubt
