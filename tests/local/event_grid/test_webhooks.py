"""Delivery to a webhook: consent, calls, and Event Grid's own token."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from local.cloud.control.sample import WEBHOOK_ROLE, furnish
from local.cloud.engine.http import Json
from local.cloud.event_grid.destinations import Answer
from local.cloud.tenant.first_party import EVENT_GRID
from tests.local.event_grid.calls import CLOUD, GRID, HOOK, Events

TO_HOOK: dict[str, Any] = {"destination": {"webhook": HOOK}}
EVENT = CLOUD | {"time": "2026-11-30T10:00:00Z"}


async def _published(events: Events, *sent: Json, **options: Any) -> None:
    topic = events.topic()
    events.subscribe(**{**TO_HOOK, **options})
    events.publish(list(sent or (EVENT,)), events.sender(topic))
    await events.deliver()


async def test_cloud_events_are_preceded_by_a_question(events: Events) -> None:
    """OPTIONS at the very address, once, without a token."""
    await _published(events)
    asked, *rest = events.destinations.calls
    assert ("OPTIONS", HOOK, {"WebHook-Request-Origin": "eventgrid.azure.net"}, None) == (
        asked.method,
        asked.url,
        dict(asked.headers),
        asked.content,
    )
    assert ["POST"] == [call.method for call in rest]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(200, {"webhook-allowed-origin": "eventgrid.azure.net"}), "Succeeded"),
        (Answer(204, {"webhook-allowed-origin": "*", "webhook-allowed-rate": "120"}), "Succeeded"),
        (Answer(200, {"webhook-allowed-origin": "EventGrid.azure.net"}), "Succeeded"),
        (Answer(200, {"webhook-allowed-origin": "else.example"}), "Failed"),
        (Answer(200), "Failed"),
        (Answer(405, {"webhook-allowed-origin": "eventgrid.azure.net"}), "Failed"),
        (Answer(None), "Failed"),
    ],
)
async def test_without_consent_nothing_is_sent(events: Events, answer: Answer, state: str) -> None:
    """Neither what was published meanwhile, nor what is published later, which is not kept for it, either."""
    events.destinations.consent = answer
    await _published(events)
    shop = events.grid.topics["shop"]
    events.publish([EVENT], events.sender({"id": shop.id}))
    await events.deliver()
    succeeded = state == "Succeeded"
    assert (state, [1, int(succeeded)], 2 if succeeded else 0) == (
        events.grid.subscriptions["sub"].subscription.state,
        [len(each["deliveries"]) for each in events.shown("shop")],
        len(events.destinations.posts),
    )


@pytest.mark.parametrize(("state", "repeats"), [("Succeeded", True), ("Failed", False)])
async def test_event_grids_own_schema_is_preceded_by_a_validation_event(events: Events, state: str, *, repeats: bool) -> None:
    """Whose code the webhook must repeat."""
    events.destinations.repeats = repeats
    topic = events.topic("farm", schema="EventGridSchema")
    subscribed = events.subscribe("farm", "EventGridSchema", **TO_HOOK)
    await events.deliver()
    (call,) = events.destinations.calls
    (event,) = call.content
    assert (state, "SubscriptionValidation", "Microsoft.EventGrid.SubscriptionValidationEvent", topic["id"]) == (
        subscribed.subscription.state,
        call.headers["aeg-event-type"],
        event["eventType"],
        event["topic"],
    )


async def test_a_cloud_event_comes_alone_as_it_is(events: Events) -> None:
    """In structured mode."""
    await _published(events, EVENT, {**EVENT, "id": "2"})
    first, second = events.destinations.posts
    assert ("application/cloudevents+json; charset=utf-8", EVENT, "2") == (
        first.headers["content-type"],
        first.content,
        second.content["id"],
    )
    assert ("SUB", "0", "Notification", "eventgrid.azure.net") == tuple(
        first.headers[name]
        for name in ("aeg-subscription-name", "aeg-delivery-count", "aeg-event-type", "WebHook-Request-Origin")
    )


async def test_cloud_events_come_in_batches_if_the_subscription_says_so(events: Events) -> None:
    """Never more than so many in one; a single one is a batch as well."""
    sent = [{**EVENT, "id": str(number)} for number in range(5)]
    await _published(events, *sent, destination={"webhook": HOOK, "max_events_per_batch": 2})
    posts = events.destinations.posts
    assert [["0", "1"], ["2", "3"], ["4"]] == [[each["id"] for each in call.content] for call in posts]
    assert {"application/cloudevents-batch+json; charset=utf-8"} == {call.headers["content-type"] for call in posts}


async def test_events_of_event_grids_own_schema_come_in_a_list(events: Events) -> None:
    """Even a single one."""
    topic = events.topic("farm", schema="EventGridSchema")
    events.subscribe("farm", "EventGridSchema", **TO_HOOK)
    events.publish([GRID], events.sender(topic), "farm")
    await events.deliver()
    (call,) = events.destinations.posts
    assert ("application/json; charset=utf-8", [{**GRID, "topic": topic["id"], "metadataVersion": "1"}]) == (
        call.headers["content-type"],
        call.content,
    )


async def test_a_batch_fares_as_one(events: Events) -> None:
    """All of it is tried again."""
    events.destinations.statuses = [500]
    sent = [{**EVENT, "id": str(number)} for number in range(2)]
    await _published(events, *sent, destination={"webhook": HOOK, "max_events_per_batch": 10})
    await events.deliver(10)
    assert [["0", "1"], ["0", "1"]] == [[each["id"] for each in call.content] for call in events.destinations.posts]
    assert ["0", "1"] == [call.headers["aeg-delivery-count"] for call in events.destinations.posts]


async def test_an_audience_brings_event_grids_own_token(events: Events) -> None:
    """For the broker's API, with the role that the sample gives it, in the version of the API's registration."""
    furnish(events.azure.world)
    world = events.azure.world
    api = world.directory.broker_app_id
    await _published(events, destination={"webhook": HOOK, "audience": f"api://{api}"})
    claims = _claims(events)
    expected = {"aud": api, "azp": EVENT_GRID, "roles": [WEBHOOK_ROLE], "idtyp": "app", "ver": "2.0", "tid": world.tenant_id}
    assert expected == {name: claims[name] for name in expected}
    principal = world.directory.principal_of(EVENT_GRID)
    assert principal is not None
    assert principal.id == claims["oid"]
    assert "scp" not in claims


async def test_without_an_audience_no_token_comes(events: Events) -> None:
    """Nor when Event Grid's service principal is gone."""
    await _published(events)
    principal = events.azure.world.directory.principal_of(EVENT_GRID)
    assert principal is not None
    principal.deleted = 1.0
    events.subscribe(name="second", destination={"webhook": HOOK, "audience": "https://management.azure.com"})
    events.publish([EVENT], events.sender(events.topic("other")), "other")
    events.grid.publish(events.azure.world, events.grid.topics["shop"], events.grid.events["shop"][0].event)
    await events.deliver()
    assert ({"SUB", "SECOND"}, False) == (
        {call.headers["aeg-subscription-name"] for call in events.destinations.posts},
        any("authorization" in call.headers for call in events.destinations.posts),
    )


def _claims(events: Events) -> Json:
    (call,) = events.destinations.posts
    scheme, _, token = call.headers["authorization"].partition(" ")
    assert "Bearer" == scheme
    events.azure.world.tokens.signed(token)
    claims: Json = jwt.decode(token, options={"verify_signature": False})
    return claims
