"""Events over HTTP and from the queue: who may publish, what a request may be, and what becomes of it."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessage

from shared.broker.ports import Ports
from shared.core.caller import ADMIN, CallerType
from shared.core.errors import Unavailable, Unreachable
from shared.core.events.door import APP_ROLE, EVENT_GRID, Door
from shared.core.events.event import decoded
from shared.core.ports.event_counts import Counted
from shared.triggers import events
from shared.triggers.broker import Broker
from tests.fakes.world import ADMINISTRATOR, application, guid
from tests.triggers.app import CHALLENGE, HOST, Answer, App, Invocation

GRID = application(guid(0x990), app_id=EVENT_GRID, app_roles=frozenset({APP_ROLE}))
SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json; charset=utf-8"
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "Ours.Made", "subject": "/things/a"}
ROOT = Path(__file__).parents[2]
OPEN = Door(is_open=True, origins=frozenset({"ours.example"}))


class Opened(App):
    """With a door for events."""

    door = OPEN

    async def get_broker(self) -> Broker:
        """As the composition root gives it."""
        return Broker(self.world.ports, self.verifier, CHALLENGE, "", HOST, self.door)


@pytest.fixture
def app(app: App) -> App:
    """With Event Grid known, and an open door."""
    opened = Opened(app.world)
    opened.verifier.known["grid.token.x"] = GRID
    return opened


async def publish(app: App, body: Any, media: str = BATCH, token: str | None = "grid.token.x") -> Answer:
    """One request of Event Grid's."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await app.call("POST", "/api/v1/events", token=token, body=octets, headers={"content-type": media})


async def test_events_are_on_the_queue_when_the_answer_is_200(app: App) -> None:
    """One, or a batch."""
    single, batch = await publish(app, EVENT, SINGLE), await publish(app, [EVENT, {**EVENT, "id": "2"}])
    assert [(200, {"accepted": 1, "unreadable": 0}), (200, {"accepted": 2, "unreadable": 0})] == [
        (each.status, each.json) for each in (single, batch)
    ]
    now = app.world.ports.now()
    assert ["1", "1", "2"] == [decoded(text, now).id for text in app.world.events.texts]


async def test_one_bad_event_takes_no_other_of_its_batch_with_it(app: App) -> None:
    """It is told and dropped. Neither Event Grid's schema nor the broker's own form is taken here."""
    bad = [7, None, {}, {**EVENT, "id": 7}, {**EVENT, "subject": "x" * 9000}, {**EVENT, "subject": "\ud800"}]
    own = json.loads(json.dumps({"v": 1, "id": "1", "source": "/s", "type": "T"}))
    grid = {"eventType": "T", "id": "1", "topic": "/s", "subject": "/a", "eventTime": "2026-01-01T00:00:00Z"}
    answer = await publish(app, [EVENT, *bad, own, grid, {**EVENT, "id": "2"}])
    assert (200, {"accepted": 2, "unreadable": 8}) == (answer.status, answer.json)
    assert (2, {Counted.DROPPED: 8}) == (len(app.world.events.texts), app.world.event_counts.counts)
    assert {"event_unreadable"} == {each.code for each in app.world.audit.events}


@pytest.mark.parametrize("failure", [Unavailable("no", status=503), Unreachable("no")])
async def test_a_queue_that_takes_nothing_is_503(app: App, failure: Any) -> None:
    """Event Grid sends all of them again, half a minute later."""
    app.world.calls.fail("events.send", failure, nth=2)
    answer = await publish(app, [EVENT] * 3)
    assert (503, "events_not_taken", "30") == (answer.status, answer.code, answer.headers["retry-after"])


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"no", BATCH, 400),
        (b"7", BATCH, 400),
        (b'"x"', SINGLE, 400),
        (b"", SINGLE, 415),
        (b"[" * 100_000, BATCH, 400),
        (b"[]", BATCH, 200),
        (b"[]", "application/json", 415),
        (b"[]", "text/plain", 415),
        (b"[]", f"{SINGLE}; charset=utf-16", 415),
        (b'"' + b"x" * (1024 * 1024 + 64 * 1024) + b'"', BATCH, 413),
    ],
)
async def test_only_what_is_no_request_is_refused(app: App, body: bytes, media: str, status: int) -> None:
    """Never for what one of its events is."""
    answer = await publish(app, body, media)
    if not body:
        # Without a body the test's client names no type.
        assert answer.status in {400, 415}
        return
    assert status == answer.status, answer.body


@pytest.mark.parametrize(
    "caller",
    [
        replace(GRID, app_roles=frozenset()),
        replace(GRID, app_id=guid(0x991)),
        replace(GRID, app_id=None),
        replace(GRID, at_home=False),
        replace(GRID, kind=CallerType.USER),
        replace(GRID, app_roles=frozenset({ADMIN}), app_id=guid(0x991)),
        ADMINISTRATOR,
    ],
)
async def test_nobody_else_may_publish(app: App, caller: Any) -> None:
    """Neither another application with the role, nor anybody's Event Grid without it, nor an administrator."""
    app.verifier.known["other.token.x"] = caller
    answer = await publish(app, [EVENT], token="other.token.x")
    assert (403, "forbidden", []) == (answer.status, answer.code, app.world.events.texts)
    assert 401 == (await publish(app, [EVENT], token=None)).status


async def test_the_door_is_closed_unless_it_was_opened(app: App) -> None:
    """To Event Grid as well, and to its handshake."""
    app.door = Door()  # type: ignore[attr-defined]
    assert 403 == (await publish(app, [EVENT])).status
    assert 405 == (await handshake(app, "eventgrid.azure.net")).status


async def handshake(app: App, origin: str) -> Answer:
    """A question whether that origin may publish."""
    headers = {"WebHook-Request-Origin": origin, "WebHook-Request-Callback": "https://evil.example/callback"}
    return await app.call("OPTIONS", "/api/v1/events", token=None, headers=headers)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("eventgrid.azure.net", 200),
        ("EventGrid.Azure.Net", 200),
        ("ours.example", 200),
        ("evil.example", 405),
        ("", 405),
        ("*", 405),
    ],
)
async def test_a_stranger_gets_no_consent(app: App, origin: str, status: int) -> None:
    """And no header of it. The callback is never called."""
    answer = await handshake(app, origin)
    assert status == answer.status
    named = {name: value for name, value in answer.headers.items() if name.startswith("webhook-")}
    expected = {"webhook-allowed-origin": origin, "webhook-allowed-rate": "120"} if status == 200 else {}
    assert (expected, "POST") == (named, answer.headers["allow"])


async def test_an_administrator_puts_events_back(app: App) -> None:
    """And sees in ``status`` how many were given up."""
    await publish(app, [EVENT] * 3)
    for text in app.world.events.take():
        await deliver(app, "events_poison", text)
    found = (await app.call("GET", "/api/v1/status", token="admin.token.x")).json["events"]
    published = dict.fromkeys(("waiting", "oldest", "last_error", "dropped"))
    assert {**published, "poison": 3, "unreadable": 0, "delayed": 0, "own": 0} == found
    refused = await app.call("POST", "/api/v1/events/replay", token="watcher.token.x")
    answer = await app.call("POST", "/api/v1/events/replay", token="admin.token.x")
    assert (403, 200, {"replayed": 3}, 3) == (refused.status, answer.status, answer.json, len(app.world.events.texts))


async def test_status_goes_on_without_the_queue(app: App) -> None:
    """It leaves events out."""
    app.world.calls.fail("events.count_aside", Unavailable("no"))
    answer = await app.call("GET", "/api/v1/status", token="admin.token.x")
    assert 200 == answer.status
    assert "events" not in answer.json


def functions_of(app: App) -> dict[str, Any]:
    """By name, as the host indexes them."""

    async def get_ports() -> Ports:
        return app.world.ports

    functions = func.FunctionApp()
    functions.register_functions(events.blueprint(get_ports))
    return {str(each.get_function_name()): each for each in functions.get_functions()}


@pytest.mark.parametrize("body", [json.dumps(EVENT).encode(), b64encode(json.dumps(EVENT).encode())])
async def test_a_message_is_taken_in_base64_or_as_it_is(app: App, body: bytes) -> None:
    """host.json has the host give it as it lies in the queue."""
    message = QueueMessage(id="m-1", body=body)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    await functions_of(app)["events_poison"].get_user_function()(message=message, context=Invocation())
    assert ["event_poison"] == [each.code for each in app.world.audit.events]
    assert "none" == json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]["messageEncoding"]


RAW = [b"not base64 !!", b"", b"bm8gSlNPTg==", b"//4gbm8gVVRGLTg=", b"\xff"]


@pytest.mark.parametrize("name", ["events", "events_poison"])
@pytest.mark.parametrize("body", RAW)
async def test_a_message_that_is_no_base64_is_told_and_dropped(app: App, name: str, body: bytes) -> None:
    """The host gives each message as it lies in the queue: it would keep from the broker what it could not decode."""
    message = QueueMessage(id="m-1", body=body)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    await functions_of(app)[name].get_user_function()(message=message, context=Invocation())
    assert ["event_unreadable"] == [each.code for each in app.world.audit.events]


async def deliver(app: App, name: str, text: str) -> None:
    """One message, as the host delivers it."""
    message = QueueMessage(id="m-1", body=text.encode())  # type: ignore[no-untyped-call]  # the library leaves it untyped
    await functions_of(app)[name].get_user_function()(message=message, context=Invocation())


@pytest.mark.parametrize(("name", "queue"), [("events", "events"), ("events_poison", "events-poison")])
def test_each_listens_to_its_queue_in_the_hosts_own_storage(app: App, name: str, queue: str) -> None:
    """Neither name is a setting."""
    (binding,) = json.loads(functions_of(app)[name].get_function_json())["bindings"]
    assert ("queueTrigger", queue, "AzureWebJobsStorage") == (binding["type"], binding["queueName"], binding["connection"])


async def test_a_message_fails_if_storage_does(app: App) -> None:
    """The host delivers it again. Its text is nowhere in the log."""
    app.world.calls.fail("event_rules.list", Unavailable("no"))
    with pytest.raises(events.EventFailed):
        await deliver(app, "events", json.dumps(EVENT))
    await deliver(app, "events", json.dumps(EVENT))
    await deliver(app, "events", "no JSON")
    assert ["event_unreadable"] == [each.code for each in app.world.audit.events]
