from __future__ import annotations

import logging

import httpx
import pytest

from shared.cloud.graph.directory import Graph
from shared.core.errors import (
    Absent,
    AlreadyExists,
    ConcurrentChange,
    Misconfigured,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
    Upstream,
)
from tests.cloud.graph_answers import APPLICATION, CLIENT, END, KEY, found
from tests.cloud.scripted import Bearer, Scripted, refused


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(400, "Request_BadRequest"), Refused),
        (refused(401, "InvalidAuthenticationToken"), Refused),
        (refused(403, "Authorization_RequestDenied"), Refused),
        (refused(404, "Request_ResourceNotFound"), Absent),
        (refused(404, "SomethingElse"), Absent),
        (refused(409, "Directory_ConcurrencyViolation"), ConcurrentChange),
        (refused(503, "Directory_ConcurrencyViolation", headers={"retry-after": "5"}), ConcurrentChange),
        (refused(409, "SomethingElse"), AlreadyExists),
        (refused(400, "Request_BadRequest", finer="ObjectConflict"), AlreadyExists),
        (refused(429, "TooManyRequests"), Throttled),
        (refused(503, "ServiceUnavailable", headers={"retry-after": "5"}), Throttled),
        (refused(503, "ServiceUnavailable"), Unavailable),
        (refused(500, "InternalServerError"), Unavailable),
        (refused(504, "UnknownError"), Unavailable),
        (httpx.Response(502, text="<html>bad gateway</html>", headers={"content-type": "text/html"}), Unavailable),
        (httpx.Response(403), Refused),
        (httpx.ConnectTimeout("late"), Unreachable),
        (httpx.ConnectError("no route"), Unreachable),
        (httpx.ReadTimeout("late"), Unreachable),
        (httpx.ReadError("broken"), Unreachable),
        (httpx.WriteError("broken"), Unreachable),
        (httpx.PoolTimeout("late"), Unreachable),
        (httpx.RemoteProtocolError("disconnected"), Unreachable),
    ],
)
async def test_each_failure_has_a_meaning(
    graph: Graph, service: Scripted, answer: httpx.Response | Exception, expected: type[Upstream]
) -> None:
    """By status and code."""
    service.will(answer)
    with pytest.raises(Upstream) as failure:
        await graph.delete_application(APPLICATION)
    assert expected is type(failure.value)


async def test_the_message_means_nothing(graph: Graph, service: Scripted) -> None:
    """Whatever it says."""
    service.will(refused(403, "Authorization_RequestDenied", text="Resource does not exist. already exists. throttled"))
    with pytest.raises(Refused) as failure:
        await graph.delete_application(APPLICATION)
    assert Refused is type(failure.value)


async def test_throttling_says_how_long(graph: Graph, service: Scripted) -> None:
    """The broker's patience obeys it."""
    service.will(refused(429, "TooManyRequests", headers={"retry-after": "12"}))
    with pytest.raises(Throttled) as throttled:
        await graph.delete_application(APPLICATION)
    assert 12.0 == throttled.value.retry_after


async def test_a_failure_tells_the_log_what_graph_said(graph: Graph, service: Scripted) -> None:
    """And the id by which Graph's support finds the call."""
    service.will(refused(403, "Authorization_RequestDenied", text="Insufficient privileges"))
    with pytest.raises(Refused) as failure:
        await graph.delete_application(APPLICATION)
    assert "Authorization_RequestDenied (403): Insufficient privileges (request r-1)" == str(failure.value)


@pytest.mark.parametrize("failure", [Unreachable("no token"), Misconfigured("no token"), Throttled("no token")])
async def test_without_a_token_nothing_is_sent(graph: Graph, service: Scripted, bearer: Bearer, failure: Exception) -> None:
    """And what the identity says is what the caller hears."""
    bearer.failure = failure
    with pytest.raises(type(failure)):
        await graph.delete_application(APPLICATION)
    assert [] == service.calls


@pytest.mark.parametrize("answer", [found(id=7), found(id="x"), found(), httpx.Response(200, json=[1]), httpx.Response(200)])
async def test_an_answer_in_no_known_shape_leaves_it_open(graph: Graph, service: Scripted, answer: httpx.Response) -> None:
    """Nobody knows what has happened."""
    service.will(answer)
    with pytest.raises(Unavailable):
        await graph.create_principal(CLIENT)


async def test_neither_token_nor_secret_reaches_the_log(
    graph: Graph, service: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level."""
    service.will(found(keyId=KEY, secretText="s3cret"), refused(500), httpx.ReadTimeout("late"))
    with caplog.at_level(logging.DEBUG):
        await graph.add_secret(APPLICATION, "lease", END)
        for _ in range(2):
            with pytest.raises(Upstream):
                await graph.add_secret(APPLICATION, "lease", END)
    assert "s3cret" not in caplog.text
    assert "bearer-of-tests" not in caplog.text
