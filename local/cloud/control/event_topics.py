"""Event Grid's topics and subscriptions, which tests make through the control API, and what became of their events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from local.cloud.control import inputs, provision
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json, Reply
from local.cloud.entra.resources import resolve
from local.cloud.event_grid.events import SCHEMAS, Schema
from local.cloud.event_grid.grid import Grid, Subscribed
from local.cloud.event_grid.subscriptions import Filter, Queue, Subscription, Webhook
from local.cloud.event_grid.topics import KINDS, TYPES, Topic, TopicKind
from local.cloud.local_azure import LocalAzure
from local.cloud.rbac.scopes import Scope

_TOPIC = re.compile(r"^[a-z0-9-]{3,50}$")
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsofteventgrid; small letters,
since the name stands in that of its host."""
_SUBSCRIPTION = re.compile(r"^[a-zA-Z0-9-]{3,64}$")
_QUEUE = re.compile(r"^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
_WEBHOOK = re.compile(r"^http://(127\.0\.0\.1|localhost)(:\d+)?(/\S*)?$")
_MOST_IN_BATCH = 5000
_GROUP = "leasehold"
"""Where topics are unless told otherwise: with the broker, and so not among the resources of which they tell."""


def add_topic(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /topics``: a custom topic, or a system topic of a resource group or of the subscription."""
    body = inputs.body_of(call, {"name", "kind"}, {"source", "schema", "resource_group"})
    name, kind = inputs.name(body, "name"), cast("TopicKind", inputs.choice(body, "kind", KINDS))
    if not _TOPIC.match(name):
        raise InputError(f"not a topic's name: {name}")
    if name in world.of(Grid).topics:
        raise InputError(f"there is a topic {name} already")
    if kind == "custom" and "source" in body:
        raise InputError("source is of a system topic alone")
    if kind == "system" and "schema" in body:
        raise InputError("schema is of a custom topic alone")
    default: Schema = "EventGridSchema" if kind == "system" else "CloudEventSchemaV1_0"
    schema = cast("Schema", inputs.choice(body, "schema", SCHEMAS, default))
    source = _source(world, inputs.optional(body, "source")) if kind == "system" else None
    group = inputs.name(body, "resource_group") if "resource_group" in body else _GROUP
    topic_id = f"{provision.resource_group(world, group).id}/providers/{TYPES[kind]}/{name}"
    provision.resource(world, topic_id)
    made = Topic(name, kind, topic_id, schema, source or topic_id)
    world.of(Grid).add_topic(world, made)
    return Reply(201, _shown(made))


def events(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET /topics/{name}/events``: what was published, oldest first, and how far it has come."""
    topic = _topic(world, call.params["name"])
    published = world.of(Grid).events[topic.name]
    return Reply(
        200,
        [
            {
                "event": each.event.written(topic.schema),
                "published": each.at,
                "deliveries": [delivery.shown() for delivery in each.deliveries],
            }
            for each in published
        ],
    )


def add_subscription(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /subscriptions``: a subscription of a topic; its handshake with a webhook follows."""
    allowed = {"types", "subject_begins_with", "operations", "duplicates", "seed"}
    body = inputs.body_of(call, {"name", "topic", "schema", "destination"}, allowed)
    name, topic = inputs.name(body, "name"), _topic(world, inputs.text(body, "topic"))
    if not _SUBSCRIPTION.match(name):
        raise InputError(f"not a subscription's name: {name}")
    if name in world.of(Grid).subscriptions:
        raise InputError(f"there is a subscription {name} already")
    schema = cast("Schema", inputs.choice(body, "schema", SCHEMAS))
    if topic.schema == "CloudEventSchemaV1_0" != schema:
        raise InputError("a topic of CloudEventSchemaV1_0 delivers in no other schema")
    made = Subscription(
        name=name,
        topic=topic.name,
        schema=schema,
        destination=_destination(world, inputs.mapping(body, "destination")),
        filter=_filter(body),
        duplicates=_likelihood(body.get("duplicates", 0.0)),
        seed=_seed(body.get("seed")),
    )
    return Reply(201, world.of(Grid).subscribe(made).shown())


def subscription(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET /subscriptions/{name}``: its state, counts, and dead letters."""
    return Reply(200, _subscribed(world, call.params["name"]).shown())


def _subscribed(world: LocalAzure, name: str) -> Subscribed:
    found = world.of(Grid).subscriptions.get(name)
    if found is None:
        raise InputError(f"no subscription {name}")
    return found


def _topic(world: LocalAzure, name: str) -> Topic:
    found = world.of(Grid).topics.get(name)
    if found is None:
        raise InputError(f"no topic {name}")
    return found


def _source(world: LocalAzure, given: str | None) -> str:
    """A resource group's id or the subscription's, which is the default."""
    subscription_id = f"/subscriptions/{world.subscription_id}"
    scope = Scope.of(given or subscription_id)
    is_group = scope.group is not None and scope.resource is None and scope.key in world.tree.resources
    if not is_group and scope.key != subscription_id.casefold():
        raise InputError(f"source must be the subscription {subscription_id} or a resource group in it")
    return scope.path


def _destination(world: LocalAzure, given: Json) -> Queue | Webhook:
    if ("queue" in given) == ("webhook" in given):
        raise InputError("destination must have either queue or webhook")
    known = {"queue"} if "queue" in given else {"webhook", "audience", "max_events_per_batch"}
    if unknown := given.keys() - known:
        raise InputError(f"unknown in destination: {', '.join(sorted(unknown))}")
    return _queue(world, given) if "queue" in given else _webhook(world, given)


def _queue(world: LocalAzure, given: Json) -> Queue:
    name = inputs.text(given, "queue")
    if not _QUEUE.match(name):
        raise InputError(f"not a queue's name: {name}")
    if not world.storage:
        raise InputError("there is no storage account here: only a stack has one")
    return Queue(name)


def _webhook(world: LocalAzure, given: Json) -> Webhook:
    url, audience = inputs.text(given, "webhook"), inputs.optional(given, "audience")
    if not _WEBHOOK.match(url):
        raise InputError("webhook must be an address such as http://127.0.0.1:7071/api/v1/events")
    if audience is not None and resolve(world, audience) is None:
        raise InputError(f"no resource {audience}")
    most = given.get("max_events_per_batch", 1)
    if not inputs.is_number(most, whole=True) or not 1 <= most <= _MOST_IN_BATCH:
        raise InputError(f"max_events_per_batch must be a whole number from 1 to {_MOST_IN_BATCH}")
    return Webhook(url, audience, most)


def _filter(body: Json) -> Filter:
    begins = inputs.optional(body, "subject_begins_with") or ""
    return Filter(tuple(inputs.texts(body, "types")), begins, tuple(inputs.texts(body, "operations")))


def _likelihood(value: Any) -> float:
    if not inputs.is_number(value) or not 0 <= value <= 1:
        raise InputError("duplicates must be a number from 0 to 1")
    return float(value)


def _seed(value: Any) -> int | None:
    if value is not None and not inputs.is_number(value, whole=True):
        raise InputError("seed must be a whole number")
    return cast("int | None", value)


def _shown(topic: Topic) -> Mapping[str, Any]:
    custom = {"endpoint": topic.endpoint} if topic.kind == "custom" else {"source": topic.source}
    return {"name": topic.name, "kind": topic.kind, "id": topic.id, "schema": topic.schema, **custom}
