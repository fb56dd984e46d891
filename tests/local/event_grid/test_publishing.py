"""What a custom topic takes, and from whom."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.engine.http import Json, Reply
from local.cloud.tenant.first_party import EVENT_GRID
from tests.local.arm.calls import OWNER, ROOT, TENANT
from tests.local.event_grid.calls import AUDIENCE, BATCH, CLOUD, DOMAIN, GRID, SENDER, Events

LIMIT = 1024 * 1024


@pytest.fixture
def topic(events: Events) -> Json:
    """The topic ``shop``, which takes CloudEvents."""
    return events.topic()


@pytest.fixture
def sender(events: Events, topic: Json) -> str:
    """Somebody who may publish to it."""
    return events.sender(topic)


def _outcome(reply: Reply) -> tuple[int, str]:
    return reply.status, "" if reply.body is None else reply.body["error"]["code"]


def test_takes_a_batch_of_cloud_events(events: Events, sender: str) -> None:
    """All fields stay, the publisher's own among them."""
    second = CLOUD | {"id": "2", "subject": "a", "time": "2026-11-30T10:00:00Z", "data": [1], "dataschema": "x", "lane": 7}
    reply = events.publish([CLOUD, second], sender)
    first, other = (each["event"] for each in events.shown("shop"))
    assert ((200, None), {**CLOUD, "time": first["time"]}, second) == ((reply.status, reply.body), first, other)


def test_takes_a_single_cloud_event(events: Events, sender: str) -> None:
    """In structured mode."""
    assert 200 == events.publish(CLOUD, sender, content_type="application/cloudevents+json").status
    assert ["1"] == [each["event"]["id"] for each in events.shown("shop")]


def test_takes_events_of_its_own_schema(events: Events) -> None:
    """Event Grid writes the topic, and the version of what it adds."""
    topic = events.topic("farm", schema="EventGridSchema")
    reply = events.publish([GRID], events.sender(topic), "farm", "application/json")
    assert 200 == reply.status
    assert [{**GRID, "topic": topic["id"], "metadataVersion": "1"}] == [each["event"] for each in events.shown("farm")]


@pytest.mark.parametrize("audience", [AUDIENCE, f"{AUDIENCE}/", EVENT_GRID])
@pytest.mark.parametrize("scope", ["/", ROOT, "group", "topic"])
def test_a_data_sender_may_publish(events: Events, topic: Json, scope: str, audience: str) -> None:
    """By a role at the topic or above it."""
    someone = events.azure.principal()
    scopes = {"topic": topic["id"], "group": topic["id"].partition("/providers/")[0]}
    events.azure.grant(someone, SENDER, scopes.get(scope, scope))
    assert 200 == events.publish([CLOUD], someone, audience=audience).status


@pytest.mark.parametrize("role", [None, OWNER])
def test_others_may_not(events: Events, topic: Json, role: str | None) -> None:
    """401 in Azure's words: not even whoever owns the topic."""
    someone = events.azure.principal()
    if role is not None:
        events.azure.grant(someone, role, topic["id"])
    reply = events.publish([CLOUD], someone)
    text = (
        "The principal associated with access token presented with the incoming request does not have permission to send data "
        f"to {topic['id']}."
    )
    detail = {"code": "Unauthorized", "message": text}
    assert (401, {"error": {**detail, "details": [detail]}}) == (reply.status, reply.body)
    assert [] == events.shown("shop")


@pytest.mark.parametrize(
    "claims",
    [
        {"audience": "https://management.azure.com"},
        {"lifetime": -10},
        {"nbf": 2_000_000_000},
        {"iss": f"https://sts.windows.net/{TENANT[:-1]}2/"},
    ],
)
def test_a_token_must_count(events: Events, sender: str, claims: dict[str, Any]) -> None:
    """For Event Grid, in its time, by this tenant."""
    assert (401, "Unauthorized") == _outcome(events.publish([CLOUD], sender, **claims))


@pytest.mark.parametrize("headers", [{}, {"aeg-sas-key": "a2V5"}, {"aeg-sas-token": "r=x&e=y&s=z"}])
@pytest.mark.usefixtures("topic")
def test_keys_open_nothing(events: Events, headers: dict[str, str]) -> None:
    """Nor does nothing."""
    assert (401, "Unauthorized") == _outcome(events.send([CLOUD], {"host": f"shop.{DOMAIN}", "content-type": BATCH, **headers}))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"no json", "Expecting value"),
        ([], "does not conform"),
        ({}, "does not conform"),
        ([1], "does not conform"),
        *(([{**CLOUD, name: value}], f"requires '{name}'") for name in ("id", "source", "type") for value in ("", None, 1)),
        ([{**CLOUD, "specversion": "0.3"}], "The supported version is '1.0'"),
        ([{**CLOUD, "time": "yesterday"}], "is no time"),
        ([{**CLOUD, "time": 7}], "is no time"),
        ([{**CLOUD, "subject": 7}], "'subject' must be a text"),
        ([CLOUD, {**CLOUD, "id": ""}], "requires 'id'"),
    ],
)
def test_refuses_what_is_no_cloud_event(events: Events, sender: str, body: Any, text: str) -> None:
    """And takes none of the others in the request."""
    reply = events.publish(body, sender)
    assert (400, "BadRequest", True) == (*_outcome(reply), text in reply.body["error"]["message"])
    assert [] == events.shown("shop")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        *(({name: ""}, f"requires '{name}'") for name in ("id", "subject", "eventType", "eventTime")),
        ({"eventTime": "soon"}, "is no time"),
        ({"dataVersion": 1}, "'dataVersion' must be a text"),
        ({"topic": "/else"}, "is not that of the topic"),
        ({"specversion": "1.0"}, "'specversion' is not one"),
    ],
)
def test_refuses_what_is_no_event_of_event_grid(events: Events, change: Json, text: str) -> None:
    """At a topic of that schema."""
    sender = events.sender(events.topic("farm", schema="EventGridSchema"))
    reply = events.publish([GRID | change], sender, "farm", "application/json")
    assert (400, True) == (reply.status, text in reply.body["error"]["message"])


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain"])
def test_the_content_type_tells_cloud_events(events: Events, sender: str, content_type: str) -> None:
    """As the client writes it."""
    assert (400, "BadRequest") == _outcome(events.publish([CLOUD], sender, content_type=content_type))


def test_a_request_has_its_size(events: Events, sender: str) -> None:
    """1 MB to the octet."""
    empty = len(events_of(""))
    taken, refused = (events.publish(events_of("x" * (size - empty)), sender) for size in (LIMIT, LIMIT + 1))
    assert ((200, ""), (413, "RequestEntityTooLarge")) == (_outcome(taken), _outcome(refused))


def events_of(text: str) -> bytes:
    """One event that holds this text."""
    return b'[{"id":"1","source":"/shop","type":"t","specversion":"1.0","data":"' + text.encode() + b'"}]'


def test_is_found_by_path_on_a_port_of_its_own(events: Events, sender: str) -> None:
    """Like vaults."""
    headers = {
        "authorization": f"Bearer {events.azure.token(sender, AUDIENCE)}",
        "content-type": BATCH,
        "host": "127.0.0.1:7443",
    }
    paths = ("/shop/api/events", "/SHOP/api/events/", "/none/api/events", "/shop/api", "/shop")
    assert [200, 200, 404, 501, 501] == [events.send([CLOUD], headers, path).status for path in paths]


def test_takes_one_version(events: Events, sender: str) -> None:
    """The one that there is of publishing to a topic."""
    headers = {
        "authorization": f"Bearer {events.azure.token(sender, AUDIENCE)}",
        "content-type": BATCH,
        "host": f"shop.{DOMAIN}",
    }
    assert (400, "BadRequest") == _outcome(events.send([CLOUD], headers, version="2024-06-01"))


def test_a_topic_goes_with_its_resource(events: Events, topic: Json, sender: str) -> None:
    """Deleted at Azure Resource Manager."""
    assert 200 == events.azure.call("DELETE", topic["id"]).status
    assert (404, "NotFound") == _outcome(events.publish([CLOUD], sender))


def test_nobody_publishes_to_a_system_topic(events: Events) -> None:
    """Only Azure does."""
    topic = events.topic("audit", "system")
    assert (404, "NotFound") == _outcome(events.publish([CLOUD], events.sender(topic), "audit"))
