"""What is sent to a topic of Event Grid, and what each of its answers means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core.exceptions import ServiceRequestError

from shared.cloud.azure_connections import InTime
from shared.cloud.event_grid.publisher import LIMIT, SCOPE, EventGridPublisher
from shared.core.errors import IdentityRefused, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.outgoing.event import EventType, OutgoingEvent
from shared.resilience.rate_limit import RateLimiter
from shared.resilience.retry import Retry
from tests.cloud.scripted import Bearer
from tests.fakes.clock import START, FakeClock, FixedIds

EVENT = OutgoingEvent("01kjpwd6m0v3rs3dtr98h6bcfn", EventType.POOL_LOW, "roles/web", START, {"role": "web", "ready": 1})
TEXT = json.dumps(EVENT.as_document())


@dataclass
class Topic:
    """Answers as told, and then 200; keeps what came."""

    steps: list[tuple[int, Mapping[str, str], str]] = field(default_factory=list)
    requests: list[tuple[str, Mapping[str, str], Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """One request."""
        self.requests.append((request.path_qs, dict(request.headers), json.loads(await request.text())))
        status, headers, text = self.steps.pop(0) if self.steps else (200, {}, "")
        return web.Response(status=status, headers=headers, text=text, content_type="application/json")


class OverTls(InTime):
    """The connections, for a topic that has no certificate: the library sends no token over plain HTTP."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    async def send(self, request: Any, **options: Any) -> Any:
        """Where the topic is."""
        request.url = request.url.replace("https://topic.westeurope-1.eventgrid.azure.net", self._origin)
        return await super().send(request, **options)


@dataclass
class Scene:
    """The topic, and who publishes to it."""

    topic: Topic
    publisher: EventGridPublisher
    clock: FakeClock
    bearer: Bearer

    async def publish(self, *events: str, seconds: float = 5.0) -> None:
        """Within so many seconds."""
        await self.publisher.publish(events or [TEXT], deadline=self.clock.monotonic() + seconds)


def publisher(clock: FakeClock, transport: InTime, bearer: Bearer) -> EventGridPublisher:
    """As the product makes it."""
    address = "https://topic.westeurope-1.eventgrid.azure.net/api/events"
    limiter, retry = RateLimiter("the topic of events", LIMIT, clock), Retry(clock, FixedIds())
    schema = "https://app.example.net/api/v1/events/schema"
    return EventGridPublisher(address, "/leasehold/app", schema, bearer, transport, limiter, retry)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A topic on this machine."""
    topic, clock, bearer = Topic(), FakeClock(), Bearer()
    clock.moves_by_itself = False
    app = web.Application()
    app.router.add_post("/api/events", topic.take)
    async with TestServer(app) as server:
        transport = OverTls(str(server.make_url("")).rstrip("/"))
        yield Scene(topic, publisher(clock, transport, bearer), clock, bearer)
        await transport.close()


async def test_events_are_sent_as_cloud_events_with_a_token_for_event_grid(scene: Scene) -> None:
    """All of a batch in one request, each with what all have alike."""
    other = json.dumps(EVENT.as_document() | {"id": "01kjpwd6m0v3rs3dtr98h6bcfz"})
    await scene.publish(TEXT, other)
    ((path, headers, body),) = scene.topic.requests
    assert "/api/events?api-version=2018-01-01" == path
    assert ("application/cloudevents-batch+json; charset=utf-8", "Bearer bearer-of-tests") == (
        headers["Content-Type"],
        headers["Authorization"],
    )
    assert (SCOPE,) == scene.bearer.scopes[0]
    assert {
        "specversion": "1.0",
        "id": "01kjpwd6m0v3rs3dtr98h6bcfn",
        "source": "/leasehold/app",
        "type": "leasehold.pool.low",
        "subject": "roles/web",
        "time": "2026-03-02T09:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "https://app.example.net/api/v1/events/schema",
        "data": {"role": "web", "ready": 1},
    } == body[0]
    assert ["01kjpwd6m0v3rs3dtr98h6bcfn", "01kjpwd6m0v3rs3dtr98h6bcfz"] == [each["id"] for each in body]


@pytest.mark.parametrize(("status", "kind"), [(400, Refused), (401, Refused), (403, Refused), (404, Refused), (413, Refused)])
async def test_a_refusal_is_told_with_its_status_and_not_repeated(scene: Scene, status: int, kind: type[Upstream]) -> None:
    """Another try would be refused as well. With a managed identity, 401 is repeated once with another token."""
    scene.topic.steps = [(status, {}, json.dumps({"error": {"code": "Code", "message": "words"}}))]
    with pytest.raises(kind) as refused:
        await scene.publish()
    assert (status, "Code", 1) == (refused.value.status, refused.value.azure_code, len(scene.topic.requests))


@pytest.mark.parametrize(
    "step", [(429, {"Retry-After": "1"}, ""), (503, {"Retry-After": "1"}, ""), (500, {}, ""), (502, {}, "<")]
)
async def test_what_passes_by_itself_is_tried_again(scene: Scene, step: tuple[int, Mapping[str, str], str]) -> None:
    """An event that comes twice does no harm."""
    scene.topic.steps = [step]
    sending = asyncio.ensure_future(scene.publish(seconds=30.0))
    while not sending.done():
        await asyncio.sleep(0.001)
        scene.clock.wake_next()
    await sending
    assert [1, 1] == [len(body) for _, _, body in scene.topic.requests]


async def test_a_topic_that_is_throttled_for_long_is_left_to_a_later_sweep(scene: Scene) -> None:
    """It says for how long."""
    scene.topic.steps = [(429, {"Retry-After": "60"}, "")]
    with pytest.raises(Throttled) as throttled:
        await scene.publish()
    assert 60.0 == throttled.value.retry_after


async def test_a_topic_that_fails_until_the_time_is_up_is_unavailable(scene: Scene) -> None:
    """Nothing is tried after that."""
    scene.topic.steps = [(500, {}, "")]
    with pytest.raises(Unavailable):
        await scene.publish(seconds=0.1)
    assert 1 == len(scene.topic.requests)


async def test_a_redirect_leads_the_token_nowhere(scene: Scene) -> None:
    """A topic never redirects."""
    scene.topic.steps = [(307, {"Location": "https://elsewhere.example.net/"}, "")]
    with pytest.raises(Unavailable):
        await scene.publish(seconds=0.1)
    assert 1 == len(scene.topic.requests)


async def test_a_topic_that_is_not_there_is_unreachable() -> None:
    """Whatever the library says of it."""

    class Dead(InTime):
        async def send(self, request: Any, **_options: Any) -> Any:
            raise ServiceRequestError(f"no such host: {request.url}")

    clock = FakeClock()
    with pytest.raises(Unreachable):
        await publisher(clock, Dead(), Bearer()).publish([TEXT], deadline=clock.monotonic() + 0.1)


async def test_an_event_that_is_no_json_is_refused_as_the_topic_would_do_it(scene: Scene) -> None:
    """So it is found among the others of its batch. Nothing is sent."""
    for damaged in ("", "[]", "{"):
        with pytest.raises(Refused) as refused:
            await scene.publish(TEXT, damaged)
        assert 400 == refused.value.status
    assert [] == scene.topic.requests


def test_a_refused_identity_is_no_bad_batch() -> None:
    """It is not halved: the events wait."""
    assert not issubclass(IdentityRefused, Refused)
