from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from shared.cloud.graph.batch import alone
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.core.errors import Absent, ConcurrentChange, Misconfigured, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.names import ObjectId
from shared.resilience.priority import in_background, limit_deadline
from tests.cloud.graph_answers import ENDPOINT, GROUP, PRINCIPAL
from tests.cloud.scripted import Bearer
from tests.fakes.clock import FakeClock, FixedIds

type Json = dict[str, Any]


def application(number: int) -> ObjectId:
    """One of many."""
    return ObjectId(f"bbbbbbbb-0000-4000-8000-{number:012d}")


def error(code: str) -> Json:
    """A body in Graph's shape."""
    return {"error": {"code": code, "message": "because"}}


@dataclass
class BatchingGraph:
    """Answers 204 to every deletion, alone or in a batch, unless the path's end has another answer."""

    answers: dict[str, Json] = field(default_factory=dict)
    whole: httpx.Response | Exception | None = None
    """What a batch is answered instead."""
    backwards: bool = False
    seen: list[tuple[str, float, list[Json]]] = field(default_factory=list)
    """Method and path of each request, when it came, and its items."""
    clock: FakeClock = field(default_factory=FakeClock)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        items = json.loads(request.content)["requests"] if request.url.path.endswith("/$batch") else []
        self.seen.append((f"{request.method} {request.url.path}", round(self.clock.monotonic() - 1000, 3), items))
        await self.clock.sleep(0.1)
        if not items:
            result = self._of(request.url.path)
            return httpx.Response(result["status"], headers=result.get("headers"), json=result.get("body"))
        if isinstance(self.whole, Exception):
            raise self.whole
        listed = [{"id": item["id"], **self._of(item["url"])} for item in items]
        stored = [each for each in listed if each["status"]]
        return self.whole or httpx.Response(200, json={"responses": stored[::-1] if self.backwards else stored})

    def _of(self, path: str) -> Json:
        return next((result for end, result in self.answers.items() if path.endswith(end)), {"status": 204})

    @property
    def lines(self) -> list[str]:
        """Method and path of each request."""
        return [line for line, _, _ in self.seen]

    @property
    def sizes(self) -> list[int]:
        """How many items each request had."""
        return [len(items) for _, _, items in self.seen]


@pytest.fixture
def service() -> BatchingGraph:
    """The service."""
    return BatchingGraph()


@pytest.fixture
def graph(service: BatchingGraph, bearer: Bearer) -> Graph:
    """The adapter."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(service.answer))
    return Graph(GraphCalls(ENDPOINT, bearer, client, FixedIds(), RateLimiters(service.clock)))


async def in_the_background(*calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What each gave or raised."""
    with in_background():
        return await asyncio.gather(*(call() for call in calls), return_exceptions=True)


def deleting(graph: Graph, count: int, first: int = 0) -> list[Callable[[], Awaitable[None]]]:
    """So many deletions of applications."""
    return [lambda number=number: graph.delete_application(application(number)) for number in range(first, first + count)]  # type: ignore[misc]


async def test_deletions_that_nobody_waits_for_go_out_together(graph: Graph, service: BatchingGraph) -> None:
    """One request, whatever they delete; each as it would have been sent alone."""
    await in_the_background(
        lambda: graph.remove_member(GROUP, PRINCIPAL),
        lambda: graph.delete_principal(PRINCIPAL),
        lambda: graph.delete_application(application(1)),
        lambda: graph.purge(application(2)),
    )
    assert ["POST /v1.0/$batch"] == service.lines
    (items,) = (items for _, _, items in service.seen)
    assert [
        {"id": "0", "method": "DELETE", "url": f"/groups/{GROUP}/members/{PRINCIPAL}/$ref"},
        {"id": "1", "method": "DELETE", "url": f"/servicePrincipals/{PRINCIPAL}"},
        {"id": "2", "method": "DELETE", "url": f"/applications/{application(1)}"},
        {"id": "3", "method": "DELETE", "url": f"/directory/deletedItems/{application(2)}"},
    ] == items


async def test_successes_are_told_one_after_the_other_and_failures_at_once(graph: Graph, service: BatchingGraph) -> None:
    """So that those who go on leave the processor to callers in between; a limit that was met is heard of at once."""
    service.answers = {str(application(3)): {"status": 403, "body": error("Forbidden")}}
    result: list[float] = []

    async def noted(number: int) -> None:
        try:
            await graph.delete_application(application(number))
        finally:
            result.append(round(service.clock.monotonic() - 1000, 3))

    await in_the_background(*(lambda number=number: noted(number) for number in range(5)))
    assert [0.12, 0.12, 0.14, 0.16, 0.18] == result


async def test_a_caller_does_not_wait_for_a_batch(graph: Graph, service: BatchingGraph) -> None:
    """Its deletions go out at once and alone, beside those of others."""
    await asyncio.gather(graph.delete_application(application(1)), graph.delete_application(application(2)))
    assert [f"DELETE /v1.0/applications/{application(number)}" for number in (1, 2)] == service.lines
    assert [0.0, 0.0] == [instant for _, instant, _ in service.seen]


async def test_nothing_but_deletions_is_batched(graph: Graph, service: BatchingGraph) -> None:
    """Readings and posts have answers that somebody needs at once."""
    service.answers = {"members/$ref": {"status": 204}}
    await in_the_background(lambda: graph.add_member(GROUP, PRINCIPAL), lambda: graph.add_member(GROUP, PRINCIPAL))
    assert [f"POST /v1.0/groups/{GROUP}/members/$ref"] * 2 == service.lines


async def test_one_without_company_goes_alone(graph: Graph, service: BatchingGraph) -> None:
    """A batch of one would only be longer."""
    await in_the_background(*deleting(graph, 1))
    assert [f"DELETE /v1.0/applications/{application(0)}"] == service.lines


async def test_more_than_twenty_go_in_several(graph: Graph, service: BatchingGraph) -> None:
    """Graph takes twenty; each deletion is sent once."""
    assert [None] * 45 == await in_the_background(*deleting(graph, 45))
    assert [20, 20, 5] == service.sizes
    urls = [item["url"] for _, _, items in service.seen for item in items]
    assert [f"/applications/{application(number)}" for number in range(45)] == urls


async def test_a_batch_under_way_keeps_nobody_waiting(graph: Graph, service: BatchingGraph) -> None:
    """The next one is sent before it is answered."""
    first = asyncio.ensure_future(in_the_background(*deleting(graph, 2)))
    await service.clock.sleep(0.05)
    await in_the_background(*deleting(graph, 2, first=2))
    await first
    (_, one, _), (_, two, _) = service.seen
    assert 0.1 > two - one


ANSWERS: list[tuple[Json, type[Upstream]]] = [
    ({"status": 404, "body": error("Request_ResourceNotFound")}, Absent),
    ({"status": 403, "body": error("Authorization_RequestDenied")}, Refused),
    ({"status": 400, "body": error("Request_BadRequest")}, Refused),
    ({"status": 409, "body": error("Directory_ConcurrencyViolation")}, ConcurrentChange),
    ({"status": 503, "body": error("Directory_ConcurrencyViolation"), "headers": {"Retry-After": "5"}}, ConcurrentChange),
    ({"status": 429, "body": error("TooManyRequests"), "headers": {"Retry-After": "17"}}, Throttled),
    ({"status": 503, "body": error("ServiceUnavailable"), "headers": {"Retry-After": "17"}}, Throttled),
    ({"status": 503, "body": error("ServiceUnavailable")}, Unavailable),
    ({"status": 500}, Unavailable),
    ({"status": 504, "body": "late", "headers": {"Content-Type": "text/plain", "Content-Length": "4"}}, Unavailable),
]


@pytest.mark.parametrize(("result", "expected"), ANSWERS)
@pytest.mark.parametrize("company", [0, 2])
async def test_each_answer_means_what_it_means_alone(
    graph: Graph, service: BatchingGraph, result: Json, expected: type[Upstream], company: int
) -> None:
    """By status, code and ``Retry-After``; the others of the batch are not concerned. Their order does not matter."""
    service.backwards = True
    service.answers = {application(99): result}
    told_of: list[Any] = await in_the_background(lambda: graph.delete_application(application(99)), *deleting(graph, company))
    failure, others = told_of[0], told_of[1:]
    assert expected is type(failure)
    assert [None] * company == others
    if isinstance(failure, Throttled):
        assert 17 == failure.retry_after


async def test_a_batch_that_was_given_up_is_tried_again(graph: Graph, service: BatchingGraph) -> None:
    """424 is the batch's affair: nothing was refused, and nothing was found to be gone."""
    service.answers = {application(0): {"status": 424, "body": error("FailedDependency")}}
    failure, other = await in_the_background(*deleting(graph, 2))
    assert (Unavailable, None) == (type(failure), other)


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (httpx.ReadTimeout("late"), Unreachable),
        (httpx.ConnectError("no route"), Unreachable),
        (httpx.Response(429, headers={"retry-after": "30"}, json=error("TooManyRequests")), Throttled),
        (httpx.Response(503, json=error("ServiceUnavailable")), Unavailable),
        (httpx.Response(400, json=error("BadRequest")), Refused),
        (httpx.Response(401, json=error("InvalidAuthenticationToken")), Refused),
        (httpx.Response(404, json=error("Request_ResourceNotFound")), Refused),
        (httpx.Response(409, json=error("Whatever")), Refused),
        (httpx.Response(200, text="<html>"), Unavailable),
        (httpx.Response(200, json=[]), Unavailable),
        (httpx.Response(200, json={"responses": None}), Unavailable),
        (httpx.Response(200, json={"responses": [7, {"id": 1}, {"id": "0", "status": "204"}]}), Unavailable),
    ],
)
async def test_what_happens_to_a_batch_happens_to_each_in_it(
    graph: Graph, service: BatchingGraph, whole: httpx.Response | Exception, expected: type[Upstream]
) -> None:
    """A lost answer is lost for all; that there is no such batch is not taken for the absence of what it names."""
    service.whole = whole
    failures = await in_the_background(*deleting(graph, 3))
    assert [expected] * 3 == [type(failure) for failure in failures]
    assert 3 == len({id(failure) for failure in failures})


@pytest.mark.parametrize("missing", [0, 1])
async def test_an_item_without_an_answer_may_have_been_carried_out(graph: Graph, service: BatchingGraph, missing: int) -> None:
    """Nobody knows."""
    service.answers = {application(missing): {"status": 0}}
    expected = [Unavailable if number == missing else type(None) for number in range(3)]
    assert expected == [type(each) for each in await in_the_background(*deleting(graph, 3))]


async def test_a_failure_that_is_none_of_azures_reaches_everybody(graph: Graph, bearer: Bearer) -> None:
    """Nobody waits for ever."""
    bearer.failure = Misconfigured("no identity")
    assert [Misconfigured] * 3 == [type(each) for each in await in_the_background(*deleting(graph, 3))]


async def test_an_item_told_to_wait_stops_the_other_calls(graph: Graph, service: BatchingGraph) -> None:
    """Of a caller, too: its write is not sent before that."""
    service.answers = {application(0): {"status": 429, "headers": {"Retry-After": "17"}}}
    await in_the_background(*deleting(graph, 2))
    service.answers = {}
    await graph.delete_application(application(5))
    assert 17.1 <= service.seen[-1][1]


async def test_background_deletions_wait_no_longer_than_they_may(graph: Graph, service: BatchingGraph) -> None:
    """One that may not is told so at once; the other is deleted when Graph takes calls again."""
    service.answers = {application(0): {"status": 429, "headers": {"Retry-After": "60"}}}
    await in_the_background(*deleting(graph, 1))
    service.answers = {}

    async def bounded(seconds: float, number: int) -> None:
        with limit_deadline(service.clock.monotonic() + seconds):
            await graph.delete_application(application(number))

    short, long = await in_the_background(lambda: bounded(20, 1), lambda: bounded(math.inf, 2))
    assert isinstance(short, Throttled)
    assert 59 < (short.retry_after or 0) <= 70
    assert long is None
    assert 60 < service.seen[-1][1] < 70
    assert f"DELETE /v1.0/applications/{application(2)}" == service.lines[-1]
    assert f"DELETE /v1.0/applications/{application(1)}" not in service.lines


async def test_who_gives_up_is_left_out(graph: Graph, service: BatchingGraph) -> None:
    """A cancelled task deletes nothing any more, if its batch has not been sent."""
    with in_background():
        tasks = [asyncio.ensure_future(call()) for call in deleting(graph, 3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [f"/applications/{application(number)}" for number in (0, 2)] == [item["url"] for item in service.seen[0][2]]


async def test_who_gives_up_takes_nobodys_place(graph: Graph, service: BatchingGraph) -> None:
    """Twenty others go together, and Graph's limit is not spent on it."""
    with in_background():
        tasks = [asyncio.ensure_future(call()) for call in deleting(graph, 21)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [20] == service.sizes


async def test_who_gives_up_while_graph_takes_no_calls_is_left_out(graph: Graph, service: BatchingGraph) -> None:
    """It had its place in a batch by then."""
    service.answers = {application(0): {"status": 429, "headers": {"Retry-After": "17"}}}
    await in_the_background(*deleting(graph, 1))
    with in_background():
        tasks = [asyncio.ensure_future(call()) for call in deleting(graph, 3, first=1)]
    await service.clock.sleep(5)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [f"/applications/{application(number)}" for number in (1, 3)] == [item["url"] for item in service.seen[-1][2]]


async def test_all_that_may_not_wait_for_graph_hear_of_it_at_once(graph: Graph, service: BatchingGraph) -> None:
    """Not one after the other, as if each were the only one."""
    service.answers = {application(0): {"status": 429, "headers": {"Retry-After": "60"}}}
    await in_the_background(*deleting(graph, 1))
    began, result = service.clock.monotonic(), list[float]()

    async def bounded(number: int) -> None:
        with limit_deadline(began + 10 * number), pytest.raises(Throttled):
            await graph.delete_application(application(number))
        result.append(round(service.clock.monotonic() - began, 3))

    await in_the_background(*(lambda number=number: bounded(number) for number in (1, 2, 3)))
    assert [0.02] * 3 == result


async def test_nothing_is_kept_of_a_batch_that_was_answered(graph: Graph, service: BatchingGraph) -> None:
    """A worker that deletes for months does not grow; but until then somebody holds the task: asyncio itself does not."""
    batches = graph._calls._batches
    deleted = asyncio.ensure_future(in_the_background(*deleting(graph, 3)))
    await service.clock.sleep(0.05)
    assert ([], 1) == (batches._waiting, len(batches._sending))
    await deleted
    await asyncio.sleep(0)
    assert ([], set()) == (batches._waiting, batches._sending)


def test_an_item_s_answer_is_described_by_its_own_headers_alone() -> None:
    """Not by how a body of its own would have been sent."""
    headers = {"Content-Length": "5", "Transfer-Encoding": "chunked", "Retry-After": "3"}
    number, answer = alone({"id": "1", "status": 429, "headers": headers, "body": {"a": 1}})
    assert ("1", 429, {"a": 1}, "3") == (number, answer.status_code, answer.json(), answer.headers["retry-after"])
    assert "transfer-encoding" not in answer.headers
    assert "5" != answer.headers["content-length"]
    bare = alone({"id": "2", "status": 204, "headers": None})[1]
    assert (204, b"") == (bare.status_code, bare.content)
