"""Which events a subscription takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.arm.calls import GROUP, READER
from tests.local.event_grid.calls import Events

SITE = f"{GROUP}/providers/Microsoft.Web/sites/web"
WRITE, DELETE = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, ["write", "write", "delete"]),
        ({"types": [WRITE]}, ["write", "write"]),
        ({"types": [DELETE.upper()]}, ["delete"]),
        ({"types": [WRITE, DELETE]}, ["write", "write", "delete"]),
        ({"subject_begins_with": f"{GROUP}/providers/Microsoft.Web/"}, ["write", "delete"]),
        ({"subject_begins_with": f"{GROUP}/providers/microsoft.web/SITES/"}, ["write", "delete"]),
        ({"subject_begins_with": f"{SITE}-2"}, []),
        ({"operations": ["Microsoft.Web/sites/write"]}, ["write"]),
        ({"operations": ["microsoft.web/sites/DELETE", "Microsoft.Authorization/roleAssignments/write"]}, ["write", "delete"]),
        ({"types": [DELETE], "operations": ["Microsoft.Web/sites/write"]}, []),
    ],
)
async def test_all_filters_must_take_the_event(events: Events, filters: dict[str, Any], taken: list[str]) -> None:
    """A site is made, a role assigned, the site deleted; case does not matter."""
    events.topic("audit", "system")
    events.subscribe("audit", "EventGridSchema", **filters)
    events.azure.call("PUT", SITE, {"location": "westeurope"})
    events.azure.assign(events.azure.principal(), READER, GROUP)
    events.azure.call("DELETE", SITE)
    await events.deliver()
    found = [each["data"]["operationName"].rsplit("/", 1)[1] for each in events.destinations.messages.get("events", [])]
    assert taken == found


async def test_an_operation_is_looked_for_where_data_has_one(events: Events) -> None:
    """Not in an event without data, nor in one whose data is a text."""
    sender = events.sender(events.topic())
    events.subscribe(operations=["a"])
    base = {"source": "/shop", "type": "t", "specversion": "1.0"}
    held: list[dict[str, Any]] = [{}, {"data": "a"}, {"data": {"operationName": "b"}}, {"data": {"operationName": "A"}}]
    events.publish([{**base, "id": str(number), **each} for number, each in enumerate(held)], sender)
    await events.deliver()
    assert ["3"] == [each["id"] for each in events.destinations.messages["events"]]


async def test_every_subscription_gets_its_own(events: Events) -> None:
    """Of its topic, from when it was made."""
    sender = events.sender(events.topic())
    events.topic("other")
    events.publish([{"id": "early", "source": "/", "type": "t", "specversion": "1.0"}], sender)
    events.subscribe(name="first")
    events.subscribe(name="second", destination={"queue": "more"})
    events.subscribe("other", name="third", destination={"queue": "none"})
    events.publish([{"id": "late", "source": "/", "type": "t", "specversion": "1.0"}], sender)
    await events.deliver()
    found = {queue: [each["id"] for each in held] for queue, held in events.destinations.messages.items()}
    assert {"events": ["late"], "more": ["late"]} == found
