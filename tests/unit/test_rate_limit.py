from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import Refused, Throttled, Unavailable, Upstream
from shared.resilience.priority import current, in_background, limit_deadline
from shared.resilience.rate_limit import Limit, RateLimiter
from tests.fakes.clock import FakeClock

FULL = Limit(10, 2)
"""Ten at once, two a second."""


class Service:
    """Notes when each call came in, from its start, and fails as told."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.seen: list[tuple[str, float]] = []
        self.will: list[Upstream] = []

    def call(self, name: str = "") -> Callable[[], Awaitable[str]]:
        """One call."""

        async def made() -> str:
            self.seen.append((name, round(self.clock.monotonic() - 1000, 3)))
            await self.clock.sleep(0.01)
            if self.will:
                raise self.will.pop(0)
            return name

        return made

    @property
    def names(self) -> list[str]:
        """In order."""
        return [name for name, _ in self.seen]

    @property
    def instants(self) -> list[float]:
        """In order."""
        return [instant for _, instant in self.seen]


@pytest.fixture
def clock() -> FakeClock:
    """Virtual time."""
    return FakeClock()


@pytest.fixture
def service(clock: FakeClock) -> Service:
    """What is called."""
    return Service(clock)


@pytest.fixture
def limiter(clock: FakeClock) -> RateLimiter:
    """A full one."""
    return RateLimiter("the test's calls", FULL, clock)


async def spent(limiter: RateLimiter, service: Service, name: str = "", *, background: bool = False) -> str:
    """One call within the budget."""
    with in_background() if background else nullcontext():
        async with limiter.permit():
            result = await service.call(name)()
    return result


async def spent_all(limiter: RateLimiter, service: Service, count: int, name: str = "", *, background: bool = False) -> None:
    """As many at once; what the service refuses has come to its end."""
    calls = [spent(limiter, service, name, background=background) for _ in range(count)]
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, Upstream):
            raise result


async def test_what_the_bucket_holds_goes_at_once_and_the_rest_at_the_refill(limiter: RateLimiter, service: Service) -> None:
    """Ten, then one each half second."""
    await spent_all(limiter, service, 13)
    assert [0] * 10 == service.instants[:10]
    assert [0.5, 1.0, 1.5] == pytest.approx(service.instants[10:], abs=0.01)


async def test_a_bucket_at_rest_fills_no_further_than_its_size(
    limiter: RateLimiter, service: Service, clock: FakeClock
) -> None:
    """However long nobody calls."""
    clock.jump(3600)
    await spent_all(limiter, service, 11)
    assert 10 == service.instants.count(3600)
    assert pytest.approx(3600.5, abs=0.01) == service.instants[-1]


type Burst = tuple[float, int, bool]
"""A pause, so many calls at once, whether in the background."""


@given(
    size=st.integers(1, 30),
    refill=st.floats(0.2, 50),
    bursts=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 25), st.booleans()), min_size=1, max_size=12),
    troubles=st.lists(st.sampled_from([None, 0.0, 3.0, 11.0]), max_size=6),
)
def test_no_span_of_time_sees_more_than_the_limit(
    size: int, refill: float, bursts: list[Burst], troubles: list[float | None]
) -> None:
    """Never more than ``size + refill * t`` in any ``t`` seconds; everybody is served in the end."""
    clock = FakeClock()
    service, limiter = Service(clock), RateLimiter("x", Limit(size, refill), clock)
    service.will = [Throttled(retry_after=seconds) for seconds in troubles]

    async def load() -> None:
        under_way = []
        for pause, count, background in bursts:
            await clock.sleep(pause)
            under_way.append(asyncio.ensure_future(spent_all(limiter, service, count, background=background)))
        await asyncio.gather(*under_way)

    asyncio.run(load())
    assert sum(count for _, count, _ in bursts) == len(service.seen)
    seen = service.instants
    for first in range(len(seen)):
        for last in range(first, len(seen)):
            assert last - first + 1 <= size + refill * (seen[last] - seen[first]) + 0.01 * (refill + 1)


async def test_told_to_wait_nobody_calls_before(limiter: RateLimiter, service: Service, clock: FakeClock) -> None:
    """``Retry-After`` of one call holds for all of them, also for those that come later."""
    service.will = [Throttled(retry_after=10)]
    with pytest.raises(Throttled):
        await spent(limiter, service)
    later = asyncio.ensure_future(spent_all(limiter, service, 3))
    await clock.sleep(5)
    await asyncio.gather(later, spent_all(limiter, service, 3))
    assert 0 == service.instants[0]
    assert 10.01 <= min(service.instants[1:])


async def test_told_to_wait_while_others_wait_they_wait_on(limiter: RateLimiter, service: Service) -> None:
    """Who stood in the queue already, too."""
    service.will = [Throttled(retry_after=30)]
    await spent_all(limiter, service, 12)
    assert 10 == service.instants.count(0)
    assert 30 < service.instants[10]


@pytest.mark.parametrize("result", [Throttled(retry_after=1), Throttled(), Unavailable(status=503)])
async def test_after_being_throttled_half_as_much_is_asked_for(
    limiter: RateLimiter, service: Service, result: Upstream
) -> None:
    """An empty bucket, and one call a second where there were two; nothing is asked for in a burst."""
    service.will = [result]
    await spent_all(limiter, service, 1)
    await spent_all(limiter, service, 4)
    assert [1.0] * 3 == pytest.approx([late - early for early, late in pairwise(service.instants[1:])], abs=0.15)


@pytest.mark.parametrize("result", [Refused(status=403), Unavailable(status=500)])
async def test_other_failures_lower_nothing(limiter: RateLimiter, service: Service, result: Upstream) -> None:
    """They say nothing of limits."""
    service.will = [result]
    await spent_all(limiter, service, 1)
    await spent_all(limiter, service, 9)
    assert 0.01 == max(service.instants)


async def test_calls_that_were_under_way_together_lower_it_once(limiter: RateLimiter, service: Service) -> None:
    """Ten answers, one reason."""
    service.will = [Throttled(retry_after=1) for _ in range(10)]
    await spent_all(limiter, service, 10)
    await spent_all(limiter, service, 2)
    assert 1.0 == pytest.approx(service.instants[-1] - service.instants[-2], abs=0.15)


async def test_it_recovers_slowly(limiter: RateLimiter, service: Service, clock: FakeClock) -> None:
    """Half of the refill at once, the whole of it after 75 seconds."""
    service.will = [Throttled(retry_after=0)]
    await spent_all(limiter, service, 1)
    gaps = []
    for pause in (0, 30, 75):
        clock.jump(pause)
        await spent_all(limiter, service, 14)
        gaps.append(service.instants[-1] - service.instants[-2])
    assert gaps == sorted(gaps, reverse=True)
    assert pytest.approx(0.9, abs=0.1) == gaps[0]
    assert pytest.approx(0.5, abs=0.01) == gaps[-1]


async def test_waiting_is_no_recovery(limiter: RateLimiter, service: Service) -> None:
    """After five minutes of being closed it begins at half, as after one second."""
    service.will = [Throttled(retry_after=300)]
    await spent_all(limiter, service, 1)
    await spent_all(limiter, service, 3)
    assert pytest.approx(1.0, abs=0.05) == service.instants[-1] - service.instants[-2]


async def test_throttled_again_and_again_it_still_asks_now_and_then(limiter: RateLimiter, service: Service) -> None:
    """A tenth of the refill at the least."""
    for _ in range(20):
        service.will = [Throttled(retry_after=1)]
        await spent_all(limiter, service, 1)
    gaps = [late - early for early, late in pairwise(service.instants)]
    assert 7 > max(gaps)


async def test_callers_go_before_background_work(limiter: RateLimiter, service: Service) -> None:
    """However long that has waited: nine are served at once (the tenth is the reserve), then the issues, then the rest."""
    sweeping = asyncio.ensure_future(spent_all(limiter, service, 12, "sweep", background=True))
    await service.clock.sleep(0.1)
    await asyncio.gather(sweeping, spent_all(limiter, service, 4, "issue"))
    assert ["sweep"] * 9 + ["issue"] * 4 + ["sweep"] * 3 == service.names


async def test_background_work_leaves_a_reserve(limiter: RateLimiter, service: Service) -> None:
    """A caller that comes in the midst of it does not wait."""
    working = asyncio.ensure_future(spent_all(limiter, service, 30, "sweep", background=True))
    await service.clock.sleep(3.3)
    await spent(limiter, service, "issue")
    assert ("issue", 3.3) in service.seen
    await working


async def test_background_work_is_not_passed_over_for_ever(limiter: RateLimiter, service: Service) -> None:
    """One turn in ten is its own while callers never cease."""
    issuing = [asyncio.ensure_future(spent_all(limiter, service, 60, "issue")) for _ in range(2)]
    await asyncio.sleep(0)
    sweeping = asyncio.ensure_future(spent_all(limiter, service, 5, "sweep", background=True))
    await asyncio.gather(*issuing, sweeping)
    served = [index for index, name in enumerate(service.names) if name == "sweep"]
    assert [10] * 4 == [late - early for early, late in pairwise(served)]


async def test_background_work_goes_on_when_callers_keep_the_bucket_just_empty(
    limiter: RateLimiter, service: Service, clock: FakeClock
) -> None:
    """Callers that take exactly the refill, and never have to wait, leave it its turns all the same."""
    await spent_all(limiter, service, 10, "issue")
    sweeping = asyncio.ensure_future(spent(limiter, service, "sweep", background=True))
    for _ in range(30):
        await clock.sleep(0.5)
        await spent_all(limiter, service, 1, "issue")
    assert "sweep" in service.names
    await sweeping


async def test_a_caller_is_refused_at_once_when_it_would_wait_too_long(limiter: RateLimiter, service: Service) -> None:
    """It is told how long the wait would have been, and nothing is sent."""
    service.will = [Throttled(retry_after=40)]
    await spent_all(limiter, service, 1)
    with limit_deadline(service.clock.monotonic() + 30), pytest.raises(Throttled) as refused:
        await spent(limiter, service)
    assert 40 <= (refused.value.retry_after or 0) < 42
    assert 1 == len(service.seen)
    assert pytest.approx(0.01) == service.clock.monotonic() - 1000


async def test_a_caller_far_back_in_the_queue_is_refused_at_once(limiter: RateLimiter, service: Service) -> None:
    """Its turn is counted ahead: ten at once, and twenty before it at two a second."""
    under_way = asyncio.ensure_future(spent_all(limiter, service, 30))
    await service.clock.sleep(0.1)
    with limit_deadline(service.clock.monotonic() + 9), pytest.raises(Throttled) as refused:
        await spent(limiter, service)
    assert 10.4 == pytest.approx(refused.value.retry_after, abs=0.01)
    with limit_deadline(service.clock.monotonic() + 11):
        await spent(limiter, service)
    await under_way


async def test_a_caller_in_the_queue_is_refused_when_the_service_closes(limiter: RateLimiter, service: Service) -> None:
    """As soon as that is known, and not when its time is over."""
    service.will = [Throttled(retry_after=100)]

    async def waiting() -> float:
        with limit_deadline(service.clock.monotonic() + 30), pytest.raises(Throttled) as refused:
            await spent(limiter, service)
        assert 100 == pytest.approx(refused.value.retry_after, abs=0.1)
        return service.clock.monotonic() - 1000

    under_way = asyncio.ensure_future(spent_all(limiter, service, 10))
    await service.clock.sleep(0.005)
    assert 0.1 > await waiting()
    assert 10 == len(service.seen)
    await under_way


async def test_who_is_behind_one_whose_time_is_over_is_served_in_its_place(limiter: RateLimiter, service: Service) -> None:
    """As soon as that is noticed, and not when it would have been the other's turn."""
    await spent_all(limiter, service, 10)

    async def batch() -> None:
        with in_background(), pytest.raises(Throttled):
            await limiter.acquire(8, deadline=service.clock.monotonic() + 5)

    before = asyncio.ensure_future(batch())
    await asyncio.sleep(0)
    behind = asyncio.ensure_future(spent(limiter, service, "behind", background=True))
    for pause, count in ((0, 4), (3.2, 1)):
        await service.clock.sleep(pause)
        await spent_all(limiter, service, count, "issue")
    await asyncio.gather(before, behind)
    assert ("issue", "behind") == (service.names[14], service.names[15])
    assert service.instants[14] == service.instants[15]


async def test_who_need_not_wait_is_served_however_late(limiter: RateLimiter, service: Service) -> None:
    """A bound on waiting is none on calling."""
    with limit_deadline(service.clock.monotonic() - 5):
        await spent(limiter, service, "late")
    assert ["late"] == service.names


async def test_who_gives_up_costs_nothing(limiter: RateLimiter, service: Service) -> None:
    """A cancelled task is passed over, and takes no token."""
    await spent_all(limiter, service, 10)
    gone = asyncio.ensure_future(spent(limiter, service, "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    await spent_all(limiter, service, 2, "here")
    assert ["here", "here"] == service.names[10:]
    assert [0.5, 1.0] == pytest.approx(service.instants[10:], abs=0.02)


async def test_many_at_once_take_as_many_tokens(limiter: RateLimiter, service: Service) -> None:
    """A batch of four counts as four."""
    await limiter.acquire(4)
    await spent_all(limiter, service, 7)
    assert (6, 0.5) == (service.instants.count(0), service.instants[-1])


async def test_more_than_the_bucket_holds_is_served_once_it_is_full(clock: FakeClock) -> None:
    """And paid for afterwards."""
    limiter = RateLimiter("x", Limit(4, 1), clock)
    with in_background():
        await limiter.acquire(9)
    await limiter.acquire()
    assert 1006.0 == pytest.approx(clock.monotonic())


def test_urgency_is_of_the_innermost() -> None:
    """Background work forgets a caller's bound; bounds only ever tighten."""
    with limit_deadline(10.0):
        with limit_deadline(20.0):
            assert (False, 10.0) == (current().background, current().deadline)
        with in_background():
            assert (True, float("inf")) == (current().background, current().deadline)
        assert 10.0 == current().deadline
    assert float("inf") == current().deadline


async def test_background_work_far_back_in_the_queue_is_refused_at_once(limiter: RateLimiter, service: Service) -> None:
    """Callers and other background work are before it."""
    callers = asyncio.ensure_future(spent_all(limiter, service, 20))
    others = asyncio.ensure_future(spent_all(limiter, service, 10, background=True))
    await service.clock.sleep(0.1)
    with in_background(), limit_deadline(service.clock.monotonic() + 9), pytest.raises(Throttled) as refused:
        await spent(limiter, service, "late")
    assert 10.4 <= (refused.value.retry_after or 0) < 12
    await asyncio.gather(callers, others)


async def test_a_batch_lets_nine_callers_go_first_for_each_of_its_calls(limiter: RateLimiter, service: Service) -> None:
    """Of three, twenty-seven: besides the ten that the bucket held."""
    issuing = asyncio.ensure_future(spent_all(limiter, service, 60, "issue"))
    await service.clock.sleep(0.1)
    with in_background():
        await limiter.acquire(3)
    assert 37 == len(service.seen)
    await issuing
