"""A world with Event Grid, and what stands for queues and webhooks, without a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.cloud.control import event_topics, first_party
from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Json, Reply
from local.cloud.event_grid import courier
from local.cloud.event_grid.destinations import Answer
from local.cloud.event_grid.grid import Grid, Subscribed
from local.cloud.event_grid.service import EventGrid
from tests.local.arm.calls import Azure

AUDIENCE = "https://eventgrid.azure.net"
SENDER = "d5a91429-5739-47e2-a06b-3470a27159e7"
DOMAIN = "westeurope-1.eventgrid.azure.net"
HOOK = "http://127.0.0.1:7071/api/v1/events"
BATCH = "application/cloudevents-batch+json; charset=utf-8"
CLOUD: Json = {"id": "1", "source": "/shop", "type": "shop.sold", "specversion": "1.0"}
GRID: Json = {
    "id": "1",
    "subject": "apples",
    "eventType": "shop.sold",
    "eventTime": "2026-11-30T10:00:00Z",
    "data": {"kilos": 2},
    "dataVersion": "1.0",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """One call of a webhook."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: Any
    """The body's JSON; ``None`` without a body."""


@dataclass(slots=True)
class Elsewhere:
    """Queues and webhooks that answer as told: with the next of ``statuses``, and 200 or 201 when none is left."""

    statuses: list[int | None] = field(default_factory=list)
    consent: Answer = field(default_factory=lambda: Answer(200, {"webhook-allowed-origin": "eventgrid.azure.net"}))
    """What answers the question of CloudEvents."""
    repeats: bool = True
    """Whether a validation event's code comes back."""
    messages: dict[str, list[Json]] = field(default_factory=dict)
    """Events by queue."""
    calls: list[Sent] = field(default_factory=list)

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """A webhook."""
        content: Any = json.loads(body) if body else None
        self.calls.append(Sent(method, url, headers, content))
        if method == "OPTIONS":
            return self.consent
        if headers.get("aeg-event-type") == "SubscriptionValidation":
            code = content[0]["data"]["validationCode"] if self.repeats else "else"
            return Answer(200, body=json.dumps({"validationResponse": code}).encode())
        return Answer(self.statuses.pop(0) if self.statuses else 200)

    async def enqueue(self, queue: str, text: str) -> Answer:
        """A queue."""
        status = self.statuses.pop(0) if self.statuses else 201
        if status == 201:
            self.messages.setdefault(queue, []).append(json.loads(base64.b64decode(text)))
        return Answer(status)

    @property
    def posts(self) -> list[Sent]:
        """The calls with events."""
        return [call for call in self.calls if call.headers.get("aeg-event-type") == "Notification"]


@dataclass(slots=True)
class Events:
    """Event Grid over one world."""

    azure: Azure = field(default_factory=Azure)
    service: EventGrid = field(default_factory=EventGrid)
    destinations: Elsewhere = field(default_factory=Elsewhere)

    def __post_init__(self) -> None:
        """Furnishes the world with Microsoft's applications and a storage account that has queues."""
        first_party.settle(self.azure.world)
        self.azure.world.storage = "one"

    @property
    def grid(self) -> Grid:
        """What it keeps."""
        return self.azure.world.of(Grid)

    def topic(self, name: str = "shop", kind: str = "custom", **options: Any) -> Json:
        """Makes a topic; as the control API shows it."""
        shown: Json = event_topics.add_topic(self.azure.world, _asked({"name": name, "kind": kind, **options})).body
        return shown

    def subscribe(self, topic: str = "shop", schema: str = "CloudEventSchemaV1_0", **options: Any) -> Subscribed:
        """Makes a subscription ``sub``, to the queue ``events`` unless told otherwise."""
        asked = {"name": "sub", "topic": topic, "schema": schema, "destination": {"queue": "events"}, **options}
        event_topics.add_subscription(self.azure.world, _asked(asked))
        return self.grid.subscriptions[str(asked["name"])]

    def sender(self, topic: Json) -> str:
        """Somebody who may publish to the topic."""
        made = self.azure.principal()
        self.azure.grant(made, SENDER, topic["id"])
        return made

    def publish(self, events: Any, by: str, topic: str = "shop", content_type: str = BATCH, **claims: Any) -> Reply:
        """Publishes as this principal, by the topic's own name."""
        token = self.azure.token(by, **{"audience": AUDIENCE, **claims})
        headers = {"host": f"{topic}.{DOMAIN}", "authorization": f"Bearer {token}", "content-type": content_type}
        return self.send(events, headers)

    def send(self, events: Any, headers: Mapping[str, str], path: str = "/api/events", version: str = "2018-01-01") -> Reply:
        """Sends exactly this."""
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        call = HttpRequest("POST", path, {"api-version": version}, headers, body, "https://grid.local")
        return handle(self.azure.world, self.service, call)[1]

    async def deliver(self, seconds: float = 0.0) -> None:
        """Moves the clock, and does all that is due then."""
        self.azure.clock.at += seconds
        for each in self.grid.subscriptions.values():
            await courier.attend(self.azure.world, each, self.destinations)

    def shown(self, topic: str) -> list[Json]:
        """The topic's events, as the control API shows them."""
        call = HttpRequest("GET", "", params={"name": topic})
        listed: list[Json] = event_topics.events(self.azure.world, call).body
        return listed


def _asked(body: Json) -> HttpRequest:
    return HttpRequest("POST", "", body=json.dumps(body).encode())
