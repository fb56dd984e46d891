"""``POST /api/events`` of a custom topic: who may send, and what is taken.

https://learn.microsoft.com/azure/event-grid/post-to-custom-topic; token and role:
https://learn.microsoft.com/azure/event-grid/authenticate-with-microsoft-entra-id
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.engine.tokens import TokenRefused
from local.cloud.event_grid import errors
from local.cloud.event_grid.events import Event, not_conforming, read_cloud, read_grid
from local.cloud.event_grid.grid import Grid
from local.cloud.event_grid.topics import DOMAIN, Topic
from local.cloud.rbac.access import Verdict, decide
from local.cloud.rbac.condition_evaluation import Circumstances
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.first_party import EVENT_GRID

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure

AUDIENCE = "https://eventgrid.azure.net"
MOST = 1024 * 1024
"""Octets of a request, and so of an event in it."""
_VERSION = "2018-01-01"
_SEND = "Microsoft.EventGrid/events/send/action"
_BATCH, _STRUCTURED = "application/cloudevents-batch+json", "application/cloudevents+json"


def publish(world: LocalAzure, call: HttpRequest) -> Reply:
    """Takes all events of the request, or none: 200 without a body."""
    topic = _addressed(world, call)
    _authorize(world, call, topic)
    if call.query.get("api-version") != _VERSION:
        raise errors.bad_request(f"The api-version must be {_VERSION}.")
    if len(call.body) > MOST:
        raise errors.too_large(MOST)
    try:
        events = _read(world, call, topic)
    except ValueError as fault:
        raise errors.bad_request(str(fault)) from fault
    for event in events:
        world.of(Grid).publish(world, topic, event)
    return Reply(200)


def _addressed(world: LocalAzure, call: HttpRequest) -> Topic:
    """The topic, by the host, or else by the path's first segment."""
    path = call.path.strip("/")
    if call.host.endswith(DOMAIN):
        name = call.host.removesuffix(DOMAIN)
    else:
        name, _, path = path.partition("/")
        name = name.lower()
    if path.lower() != "api/events":
        raise errors.not_implemented(f"{call.method} of this")
    topic = world.of(Grid).topics.get(name)
    if topic is None or topic.kind != "custom" or not topic.stands(world):
        raise errors.topic_not_found(name)
    return topic


def _authorize(world: LocalAzure, call: HttpRequest, topic: Topic) -> None:
    """By a token and a role. Keys are none: every topic is closed to them, as ``disableLocalAuth`` does it."""
    if call.bearer is None:
        raise errors.unauthorized("The request has no access token, and the topic takes no keys.")
    try:
        claims = world.tokens.verify(call.bearer, (AUDIENCE, EVENT_GRID))
    except TokenRefused as fault:
        raise errors.unauthorized(f"The access token is not valid: {fault}.") from fault
    caller = str(claims.get("oid", claims.get("sub", "")))
    if decide(world, caller, Scope.of(topic.id), Circumstances(_SEND), data=True) is not Verdict.GRANTED:
        raise errors.no_permission(topic.id)


def _read(world: LocalAzure, call: HttpRequest, topic: Topic) -> list[Event]:
    """The events of the body, in the schema of the topic; raises ``ValueError``."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = call.value()
    if topic.schema == "EventGridSchema":
        return [read_grid(each, topic.id) for each in _list(body, topic)]
    if kind == _BATCH:
        return [read_cloud(each, topic.id, world.clock.now()) for each in _list(body, topic)]
    if kind == _STRUCTURED:
        return [read_cloud(body, topic.id, world.clock.now())]
    raise InputError(f"{not_conforming(topic.schema)} The content type must be {_BATCH} or {_STRUCTURED}.")


def _list(body: Any, topic: Topic) -> list[Any]:
    if not isinstance(body, list) or not body:
        raise InputError(not_conforming(topic.schema))
    return body
