"""Several callers of one worker at something that they share, of whom one hangs up: the others notice nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from shared.broker.counting import first_count
from shared.broker.issue.issue import IssueRequest, issue
from shared.cloud.graph.batch import Batches
from shared.core.errors import Unavailable
from shared.issuers.application_secret.lock import ApplicationLock
from shared.resilience.rate_limit import Limit, RateLimiter
from shared.resilience.single_flight import SingleFlight
from tests.crash.cancelling import LONGER, WORKER, CancellingLoop, require_nothing_under_way
from tests.fakes.application_locks import MemoryApplicationLocks
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import BOB, EXISTING, WEB, request, role, secret_target, world

_MANY = 4
_ALARM = 60.0
"""Seconds after which no alarm is set any more that was set for whoever has hung up."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """``one`` is what each of them does, by its number."""

    clock: FakeClock
    one: Callable[[int], Awaitable[object]]


def in_line_for_an_application() -> Crowd:
    """The callers of two workers."""
    calls = _calls()
    store = MemoryApplicationLocks(calls)
    workers = [ApplicationLock(store, calls.clock, FixedIds(number)) for number in range(2)]

    async def change(number: int) -> None:
        async with workers[number % 2].holding(EXISTING, deadline=calls.clock.monotonic() + 60.0):
            await calls.clock.sleep(0.5)

    return Crowd(calls.clock, change)


def in_line_for_a_budget() -> Crowd:
    """One call a second."""
    clock = FakeClock()
    limiter = RateLimiter("a service", Limit(1, 1), clock)

    async def call(_: int) -> None:
        async with limiter.permit():
            await clock.sleep(0.1)

    return Crowd(clock, call)


def waiting_for_shared_work() -> Crowd:
    """All for the same."""
    clock = FakeClock()
    flight = SingleFlight(lambda: clock.sleep(1.0), "work")
    return Crowd(clock, lambda _: flight.outcome())


def in_one_batch() -> Crowd:
    """A deletion each."""
    clock = FakeClock()

    async def exchange(method: str, _: str, body: Mapping[str, Any] | None) -> httpx.Response:
        await clock.sleep(0.1)
        asked = (body or {}).get("requests", ())
        result = {"responses": [{"id": each["id"], "status": 204} for each in asked]}
        return httpx.Response(204) if method == "DELETE" else httpx.Response(200, json=result)

    async def renewed(_: httpx.Response, __: httpx.Response) -> bool:
        return False

    batches = Batches(clock, RateLimiter("Graph", Limit(9, 9), clock), exchange, lambda _: Unavailable(), renewed)
    return Crowd(clock, lambda number: batches.delete(f"/applications/{number}"))


def counting_first() -> Crowd:
    """How many leases there are, which nobody has counted yet."""
    made = world(latency=0.05)
    made.calls.answers_travel = True
    return Crowd(made.clock, lambda _: first_count(made.ports))


def issuing_within_a_limit() -> Crowd:
    """In line for room in a role, and then for its application."""
    made = world(role(secret_target(), max_leases=9), latency=0.05)
    made.calls.answers_travel = True
    return Crowd(made.clock, lambda _: issue(made.ports, request(BOB), IssueRequest(WEB)))


CROWDS: tuple[Callable[[], Crowd], ...] = (
    *(in_line_for_an_application, in_line_for_a_budget, waiting_for_shared_work, in_one_batch),
    *(counting_first, issuing_within_a_limit),
)


def _calls() -> Calls:
    calls = Calls(FakeClock(), latency=0.05)
    calls.answers_travel = True
    return calls


def walk_crowd(make: Callable[[], Crowd], stride: int = 1) -> int:
    """Each hangs up after each of its steps, or some; the others and a last one are served as fast as ever. The cases."""
    cases = 0
    for gone in range(_MANY):
        usual, step = _took(make(), gone, 0) or 0.0, 1 + gone % stride
        while (took := _took(make(), gone, step)) is not None:
            assert took <= usual + LONGER, f"{gone} hangs up after step {step}, and then all take {took} s, not {usual}"
            cases, step = cases + 1, step + stride
    return cases


def _took(crowd: Crowd, gone: int, step: int) -> float | None:
    """The seconds of all of them; ``None`` where that one was done before."""
    loop = CancellingLoop(step, everything=False)
    seconds = loop.complete(_at_once(crowd, loop, gone))
    assert [] == loop.unheard, f"nobody has heard of {loop.unheard}"
    return seconds if loop.has_cancelled or not step else None


async def _at_once(crowd: Crowd, loop: CancellingLoop, gone: int) -> float:
    current, began = asyncio.current_task(), crowd.clock.monotonic()
    assert current is not None
    current.set_name(WORKER)
    crowd_of = [asyncio.ensure_future(crowd.one(number)) for number in range(_MANY)]
    loop.work = crowd_of[gone]
    results = await asyncio.gather(*crowd_of, return_exceptions=True)
    for number, each in enumerate(results):
        if isinstance(each, BaseException) and number != gone:
            raise AssertionError(f"{number} has failed because {gone} has hung up") from each
    await crowd.one(_MANY)
    took = crowd.clock.monotonic() - began
    await crowd.clock.sleep(_ALARM)
    await require_nothing_under_way(crowd.clock)
    return took
