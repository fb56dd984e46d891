"""The control API's topics and subscriptions: what it makes, what it shows, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.control import event_topics
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest
from tests.local.arm.calls import GROUP, ROOT, STORE
from tests.local.event_grid.calls import CLOUD, HOOK, Events

QUEUE: dict[str, Any] = {"queue": "events"}


def test_a_custom_topic_has_an_address(events: Events) -> None:
    """Azure's own; its resource is with the broker unless told otherwise."""
    place = f"{ROOT}/resourceGroups/leasehold/providers/Microsoft.EventGrid/topics/shop"
    expected = {
        "name": "shop",
        "kind": "custom",
        "id": place,
        "schema": "CloudEventSchemaV1_0",
        "endpoint": "https://shop.westeurope-1.eventgrid.azure.net/api/events",
    }
    assert expected == events.topic()
    assert place == events.azure.call("GET", place).body["id"]
    assert f"{GROUP}/providers/Microsoft.EventGrid/topics/two" == events.topic("two", resource_group="app")["id"]


def test_a_system_topic_has_a_source(events: Events) -> None:
    """The subscription unless told otherwise."""
    place = f"{ROOT}/resourceGroups/leasehold/providers/Microsoft.EventGrid/systemTopics/audit"
    expected = {"name": "audit", "kind": "system", "id": place, "schema": "EventGridSchema", "source": ROOT}
    assert expected == events.topic("audit", "system")
    assert GROUP == events.topic("second", "system", source=f"{GROUP}/")["source"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"name": "a/b"}, "slash"),
        ({"name": "Shop"}, "not a topic's name"),
        ({"name": "ab"}, "not a topic's name"),
        ({"name": "taken"}, "already"),
        ({"kind": "partner"}, "kind must be one of custom, system"),
        ({"kind": None}, "kind must be one of"),
        ({"more": 1}, "unknown: more"),
        ({"source": GROUP}, "of a system topic alone"),
        ({"kind": "system", "schema": "EventGridSchema"}, "of a custom topic alone"),
        ({"schema": "CustomEventSchema"}, "schema must be one of"),
        ({"kind": "system", "source": STORE}, "source must be"),
        ({"kind": "system", "source": f"{ROOT}/resourceGroups/none"}, "source must be"),
        ({"kind": "system", "source": "/subscriptions/30000000-0000-4000-8000-000000000003"}, "source must be"),
        ({"kind": "system", "source": 7}, "source must be a text"),
        ({"resource_group": "a/b"}, "slash"),
    ],
)
def test_refuses_what_is_no_topic(events: Events, body: dict[str, Any], text: str) -> None:
    """And makes none."""
    events.topic("taken")
    with pytest.raises(InputError, match=text):
        events.topic(**{"name": "shop", "kind": "custom", **body})
    assert ["taken"] == list(events.grid.topics)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"name": "a_b"}, "not a subscription's name"),
        ({"name": "taken"}, "already"),
        ({"topic": "none"}, "no topic none"),
        ({"schema": "EventGridSchema"}, "delivers in no other schema"),
        ({"schema": "Other"}, "schema must be one of"),
        ({"more": 1}, "unknown: more"),
        ({"destination": {}}, "either queue or webhook"),
        ({"destination": {"queue": "events", "webhook": HOOK}}, "either queue or webhook"),
        ({"destination": {"queue": "events", "audience": "x"}}, "unknown in destination: audience"),
        ({"destination": {"queue": "Events"}}, "not a queue's name"),
        ({"destination": {"queue": 7}}, "queue must be a text"),
        ({"destination": "events"}, "destination must be an object"),
        *(
            ({"destination": {"webhook": url}}, "webhook must be an address")
            for url in ("https://127.0.0.1/", "http://example.org/", "http://127.0.0.1@else/", "http://127.0.0.1.else/", "x")
        ),
        ({"destination": {"webhook": HOOK, "audience": "api://none"}}, "no resource api://none"),
        *(({"destination": {"webhook": HOOK, "max_events_per_batch": n}}, "from 1 to 5000") for n in (0, 5001, 1.5, True, "1")),
        ({"types": "one"}, "types must be a list of texts"),
        ({"operations": [1]}, "operations must be a list of texts"),
        ({"subject_begins_with": 7}, "subject_begins_with must be a text"),
        *(({"duplicates": value}, "duplicates must be a number") for value in (-0.1, 1.1, "1", True, None)),
        *(({"seed": value}, "seed must be a whole number") for value in (1.5, "1", True)),
    ],
)
def test_refuses_what_is_no_subscription(events: Events, body: dict[str, Any], text: str) -> None:
    """And makes none."""
    events.topic()
    events.subscribe(name="taken")
    with pytest.raises(InputError, match=text):
        events.subscribe(**{"name": "fresh", **body})
    assert ["taken"] == list(events.grid.subscriptions)


def test_a_queue_needs_a_storage_account(events: Events) -> None:
    """Which only a stack has."""
    events.topic()
    events.azure.world.storage = ""
    with pytest.raises(InputError, match="there is no storage account here"):
        events.subscribe()


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
def test_event_grids_own_schema_is_delivered_in_both(events: Events, schema: str) -> None:
    """CloudEvents only as such."""
    events.topic("farm", schema="EventGridSchema")
    assert schema == events.subscribe("farm", schema).shown()["schema"]


async def test_shows_how_far_each_event_has_come(events: Events) -> None:
    """By topic, and counted by subscription."""
    sender = events.sender(events.topic())
    events.subscribe()
    at = events.azure.clock.at
    events.publish([CLOUD], sender)
    waiting = {"subscription": "sub", "state": "waiting", "attempts": 0, "outcome": None, "due": at}
    assert [(at, [waiting])] == [(each["published"], each["deliveries"]) for each in events.shown("shop")]
    shown = {"name": "sub", "topic": "shop", "schema": "CloudEventSchemaV1_0"}
    counted = {"waiting": 1, "delivered": 0, "dead_letters": []}
    assert {**shown, "state": "Creating", **counted} == _subscription(events)
    await events.deliver()
    assert {**shown, "state": "Succeeded", **counted, "waiting": 0, "delivered": 1} == _subscription(events)


def test_of_what_there_is_not_nothing_is_shown(events: Events) -> None:
    """By a plain sentence."""
    with pytest.raises(InputError, match="no topic shop"):
        events.shown("shop")
    with pytest.raises(InputError, match="no subscription sub"):
        _subscription(events)


async def test_the_state_counts(events: Events) -> None:
    """It holds no event."""
    sender = events.sender(events.topic())
    events.subscribe()
    events.destinations.statuses = [400]
    events.publish([CLOUD], sender)
    await events.deliver()
    state = events.service.state(events.azure.world)
    assert (["shop"], [("sub", 0, 0, 1)]) == (
        [each["name"] for each in state["event_topics"]],
        [
            tuple(each[name] for name in ("name", "waiting", "delivered", "dead_letters"))
            for each in state["event_subscriptions"]
        ],
    )


def _subscription(events: Events) -> Any:
    return event_topics.subscription(events.azure.world, HttpRequest("GET", "", params={"name": "sub"})).body
