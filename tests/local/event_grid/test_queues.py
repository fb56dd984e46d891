"""Delivery to a Storage queue."""

from __future__ import annotations

import base64

from local.cloud.event_grid.courier import MOST_IN_MESSAGE
from tests.local.event_grid.calls import CLOUD, GRID, Events


async def test_a_message_is_one_event_in_the_subscriptions_schema(events: Events) -> None:
    """In base64, which the fake takes off."""
    topic = events.topic("farm", schema="EventGridSchema")
    events.subscribe("farm", "EventGridSchema", name="grid", destination={"queue": "grid"})
    events.subscribe("farm", name="cloud", destination={"queue": "cloud"})
    events.publish([GRID], events.sender(topic), "farm")
    await events.deliver()
    cloud = {
        "id": "1",
        "source": topic["id"],
        "type": "shop.sold",
        "specversion": "1.0",
        "time": GRID["eventTime"],
        "subject": "apples",
        "data": {"kilos": 2},
    }
    expected = {"grid": [{**GRID, "topic": topic["id"], "metadataVersion": "1"}], "cloud": [cloud]}
    assert expected == events.destinations.messages


async def test_a_message_has_at_most_64_kib_in_base64(events: Events) -> None:
    """A larger event is a dead letter at once, as if storage had refused it."""
    sender = events.sender(events.topic())
    subscribed = events.subscribe()
    overhead = len(_written(""))
    room = MOST_IN_MESSAGE // 4 * 3 - overhead
    events.publish([{**CLOUD, "time": "2026-11-30T10:00:00Z", "data": "x" * size} for size in (room, room + 1)], sender)
    await events.deliver()
    (message,) = events.destinations.messages["events"]
    (dead,) = subscribed.shown()["dead_letters"]
    assert (room, room + 1) == (len(message["data"]), len(dead["data"]))
    assert MOST_IN_MESSAGE == len(base64.b64encode(_written("x" * room)))
    assert ("RequestEntityTooLarge", 1) == (dead["lastdeliveryoutcome"], dead["deliveryattempts"])


def _written(text: str) -> bytes:
    """The event as it is put into the queue."""
    head = b'{"id":"1","source":"/shop","type":"shop.sold","specversion":"1.0","time":"2026-11-30T10:00:00Z","data":"'
    return head + text.encode() + b'"}'


async def test_events_come_in_the_order_of_publishing(events: Events) -> None:
    """Unless a seed asks for another."""
    sender = events.sender(events.topic())
    events.subscribe()
    for number in range(5):
        events.publish([{**CLOUD, "id": str(number)}], sender)
    await events.deliver()
    assert list("01234") == [each["id"] for each in events.destinations.messages["events"]]
