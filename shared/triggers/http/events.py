"""The calls about events: take those from outside, put back those that were given up, and tell the schema of the broker's."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import azure.functions as func

from shared.broker.events.publish import Published, publish
from shared.broker.events.replay import replay
from shared.core.errors import Fault, Forbidden, Malformed, TooLarge
from shared.core.events.door import RATE
from shared.core.outgoing.schema import event_schema
from shared.triggers.http import media, requests
from shared.triggers.http.edge import Edge, UnverifiedRequest, VerifiedRequest
from shared.triggers.http.problem import MethodNotAllowed, UnsupportedMedia
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import WHOLE, Answer, Body, Field, Record, Value

api = Api("events")
MOST_OCTETS = 1024 * 1024 + 64 * 1024
"""Event Grid sends a MiB at most, and headers count there: https://learn.microsoft.com/azure/event-grid/quotas-limits."""
_MEDIA = re.compile(r"application/cloudevents(-batch)?\+json(\s*;.*)?", re.IGNORECASE | re.DOTALL)
PUBLISHED = Record[Published](
    "Published",
    "What became of the events.",
    Field("accepted", WHOLE, lambda it: it.accepted, "They are on the queue, and are not lost."),
    Field("unreadable", WHOLE, lambda it: it.unreadable, "They were dropped: they are no CloudEvents, or longer than 8 KiB."),
)
REPLAYED = Record[int]("Replayed", "How many events were put back.", Field("replayed", WHOLE, lambda it: it))


@api.open("GET", "events/schema", answers=(Answer(200, "A JSON Schema (2020-12).", Value({"type": "object"})),))
async def schema(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """The schema of the events that the broker publishes.

    For anybody. Each type of event is under `$defs`, by its name.
    """
    return Reply(200, _schema())


@cache
def _schema() -> bytes:
    return json.dumps(event_schema()).encode()


@api.call(
    "POST",
    "events",
    needs=None,
    operation="event",
    body=Body(
        "",
        "A CloudEvent 1.0 (`application/cloudevents+json`), or a list of them (`application/cloudevents-batch+json`).",
        schema={"oneOf": [{"type": "object"}, {"type": "array", "items": {}}]},
        required=True,
    ),
    answers=(Answer(200, "All that could be read are on the queue.", PUBLISHED),),
)
async def publish_events(request: VerifiedRequest) -> Reply:
    """Publish events of Azure's.

    For Event Grid alone, with the app role `AzureEventGridSecureWebhookSubscriber`, where the operator has opened this door
    (`LEASEHOLD_EVENT_WEBHOOK`). An event is a hint: the broker looks in Azure whether it is true.
    """
    door = request.broker.door
    if not door.is_open or not door.admits(request.caller):
        raise Forbidden(audit_reason="the door for events is closed" if not door.is_open else "it is not Event Grid")
    found = await publish(request.ports, request.actor, _documents(request.http))
    return of_json(200, PUBLISHED.write(found))


@api.open("OPTIONS", "events", answers=(Answer(200, "The origin may publish, if it can say who it is."), Answer(405, "No.")))
async def events_handshake(edge: Edge, unverified: UnverifiedRequest) -> Reply:
    """May this origin publish events?

    For anybody: the handshake of CloudEvents' webhooks. It lets nobody in. The callback of a request is never called.
    """
    origin = unverified.http.headers.get("webhook-request-origin", "")
    if not (await edge.get_broker()).door.consents(origin):
        raise MethodNotAllowed("POST")
    allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(RATE), "Allow": "POST"}
    return Reply(200, headers=allowed)


@api.call(
    "POST",
    "events/replay",
    needs=("events", "write"),
    operation="replay",
    body=requests.NOTHING,
    answers=(Answer(200, "How many.", REPLAYED),),
)
async def replay_events(request: VerifiedRequest) -> Reply:
    """Put events back that were given up.

    For admins alone. Puts up to 1000 of them back on the queue, as if they had just come.
    """
    requests.nothing(request.http)
    return of_json(200, REPLAYED.write(await replay(request.ports, request.actor)))


def _documents(request: func.HttpRequest) -> list[Any]:
    """Returns the events of the body, unread. Raises ``Malformed``, ``TooLarge``, ``UnsupportedMedia``.

    What is wrong within one event is no fault of the request: Event Grid would give up all of its events.
    """
    octets = request.get_body()
    if len(octets) > MOST_OCTETS:
        raise TooLarge(detail=f"The body of this call is at most {MOST_OCTETS} octets long.")
    media.require_json(request)
    if _MEDIA.fullmatch(request.headers.get("content-type", "").strip()) is None:
        raise UnsupportedMedia("Events are sent as application/cloudevents+json or application/cloudevents-batch+json.")
    try:
        found: Any = json.loads(media.text_of(octets))
    except (ValueError, RecursionError):
        raise Malformed(Fault("", "the body is not JSON in UTF-8")) from None
    if not isinstance(found, dict | list):
        raise Malformed(Fault("", "expected an event, or a list of events"))
    return found if isinstance(found, list) else [found]
