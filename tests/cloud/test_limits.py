from __future__ import annotations

import asyncio

import httpx
import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest

from shared.cloud.arm.limits import ArmRateLimit
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.core.errors import Throttled
from shared.resilience.priority import limit_deadline
from tests.cloud.graph_answers import APPLICATION, GROUP, PRINCIPAL, done, found, graph_at
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.fakes.clock import FakeClock

_ONE = "/subscriptions/11111111-0000-4000-8000-000000000001/resourceGroups/a"
_TWO = "/subscriptions/11111111-0000-4000-8000-000000000002/resourceGroups/a"


@pytest.fixture
def limiters(clock: FakeClock) -> RateLimiters:
    """All full."""
    return RateLimiters(clock)


async def took(limiters: RateLimiters, clock: FakeClock, count: int, method: str, path: str = "") -> float:
    """Seconds until so many calls were allowed."""
    began = clock.monotonic()
    limiter = limiters.of_arm(method, path) if path else limiters.of_graph(method)
    await asyncio.gather(*(limiter.acquire() for _ in range(count)))
    return clock.monotonic() - began


async def test_graphs_published_limits_hold(limiters: RateLimiters, clock: FakeClock) -> None:
    """3,000 writes in 150 seconds, 3,500 units in ten."""
    assert 0 == await took(limiters, clock, 3000, "POST")
    assert pytest.approx(150) == await took(limiters, clock, 3000, "DELETE")
    assert 0 == await took(limiters, clock, 3500, "GET")
    assert pytest.approx(10, abs=0.1) == await took(limiters, clock, 3500, "GET")


async def test_resource_managers_published_limits_hold(limiters: RateLimiters, clock: FakeClock) -> None:
    """Reads, writes and deletions apart, and each subscription for itself, however it is spelt."""
    for method in ("PUT", "DELETE", "GET"):
        for path in (_ONE, _TWO, "/providers/Microsoft.Authorization/roleDefinitions"):
            assert 0 == await took(limiters, clock, 200, method, path)
    assert 10.0 == pytest.approx(await took(limiters, clock, 100, "PUT", _ONE.upper()))


@pytest.mark.parametrize(
    ("method", "path", "size", "refill"),
    [("GET", "", 3500, 350), ("POST", "", 3000, 20), ("GET", _ONE, 250, 25), ("PUT", _ONE, 200, 10), ("DELETE", _ONE, 200, 10)],
)
async def test_a_published_limit_is_used_to_the_full_and_not_exceeded(
    limiters: RateLimiters, clock: FakeClock, method: str, path: str, size: int, refill: int
) -> None:
    """So many calls at once, and then so many a second."""
    assert 0 == await took(limiters, clock, size, method, path)
    assert pytest.approx(2, abs=0.004) == await took(limiters, clock, 2 * refill, method, path)


async def test_graphs_reads_go_on_while_writes_are_told_to_wait(graph: Graph, service: Scripted) -> None:
    """Azure counts them apart."""
    service.will(refused(429, headers={"retry-after": "60"}), found(id=GROUP))
    with pytest.raises(Throttled):
        await graph.purge(APPLICATION)
    with limit_deadline(1000.0):
        assert (await graph.read_group(GROUP)).security


@pytest.mark.parametrize("status", [429, 503])
async def test_told_to_wait_no_other_write_is_sent_to_graph(status: int, service: Scripted, graph: Graph) -> None:
    """Whatever it is about; who may not wait for so long hears at once for how long."""
    service.will(refused(status, "Whatever", headers={"retry-after": "60"}))
    with pytest.raises(Throttled):
        await graph.purge(APPLICATION)
    with limit_deadline(1030.0), pytest.raises(Throttled) as held_back:
        await graph.delete_principal(PRINCIPAL)
    assert 60 <= (held_back.value.retry_after or 0) < 62
    assert 1 == len(service.calls)


async def test_another_cloud_has_a_budget_of_its_own(service: Scripted, bearer: Bearer) -> None:
    """A budget is its maker's: nothing is shared by way of the module."""
    service.will(refused(429, headers={"retry-after": "60"}), done())
    with pytest.raises(Throttled):
        await graph_at("https://one.example", service, bearer).purge(APPLICATION)
    with limit_deadline(1000.0):
        await graph_at("https://two.example", service, bearer).purge(APPLICATION)
    assert 2 == len(service.calls)


class _Answers(AsyncHttpTransport[HttpRequest, httpx.Response]):
    """Answers Azure's pipeline with these, in order."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.left = list(answers)
        self.failure: Exception | None = None

    async def send(self, request: HttpRequest, **_: object) -> httpx.Response:  # noqa: ARG002 - any request
        """The next, unless it is to fail."""
        if self.failure is not None:
            raise self.failure
        return self.left.pop(0)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


async def test_told_to_wait_no_other_write_is_sent_to_the_subscription(limiters: RateLimiters) -> None:
    """Reads, deletions and other subscriptions go on."""
    answers = [httpx.Response(429, headers={"retry-after": "40"}), *(httpx.Response(200) for _ in range(3))]
    async with AsyncPipeline(_Answers(*answers), [ArmRateLimit(limiters)]) as pipeline:
        with limit_deadline(1000.0):
            await pipeline.run(HttpRequest("PUT", f"https://arm.example{_ONE}/x?api-version=1"))
            with pytest.raises(Throttled) as held_back:
                await pipeline.run(HttpRequest("PUT", f"https://arm.example{_ONE}/y?api-version=1"))
            for method, path in (("GET", _ONE), ("DELETE", _ONE), ("PUT", _TWO)):
                await pipeline.run(HttpRequest(method, f"https://arm.example{path}"))
    assert 40 <= (held_back.value.retry_after or 0) < 42


@pytest.mark.parametrize(("failure", "down"), [(ServiceRequestError("no route"), True), (RuntimeError("a bug"), False)])
async def test_only_silence_is_taken_for_an_outage(limiters: RateLimiters, failure: Exception, *, down: bool) -> None:
    """A bug says nothing of Resource Manager."""
    transport = _Answers()
    transport.failure = failure
    async with AsyncPipeline(transport, [ArmRateLimit(limiters)]) as pipeline:
        with pytest.raises(type(failure)):
            await pipeline.run(HttpRequest("GET", f"https://arm.example{_ONE}"))
    assert down is limiters.outages.known


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_other_refusals_of_resource_manager_hold_nobody_back(limiters: RateLimiters, status: int) -> None:
    """The answer passes as it is."""
    answers = _Answers(httpx.Response(status, headers={"retry-after": "40"}), httpx.Response(200))
    async with AsyncPipeline(answers, [ArmRateLimit(limiters)]) as pipeline:
        with limit_deadline(1000.0):
            assert status == (await pipeline.run(HttpRequest("PUT", f"https://arm.example{_ONE}"))).http_response.status_code
            await pipeline.run(HttpRequest("PUT", f"https://arm.example{_ONE}"))
    assert [] == answers.left


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", _ONE, "Resource Manager's reads in subscription 11111111-0000-4000-8000-000000000001"),
        ("PUT", _ONE.upper(), "Resource Manager's writes in subscription 11111111-0000-4000-8000-000000000001"),
        ("DELETE", _TWO, "Resource Manager's deletions in subscription 11111111-0000-4000-8000-000000000002"),
        ("PUT", "/providers/x", "Resource Manager's writes in the tenant"),
        ("GET", "", "Graph's reads"),
        ("POST", "", "Graph's writes"),
        ("DELETE", "", "Graph's writes"),
    ],
)
def test_a_budget_is_named_by_what_counts_against_it(limiters: RateLimiters, method: str, path: str, name: str) -> None:
    """As a refusal tells it; what counts against the same is the same."""
    found = [limiters.of_arm(method, path) if path else limiters.of_graph(method) for _ in range(2)]
    assert found[0] is found[1]
    assert name == found[0]._name
