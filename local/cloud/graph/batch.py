"""``$batch``: up to 20 requests in one, each answered for itself.

https://learn.microsoft.com/graph/json-batching
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from local.cloud.engine.dispatch import addressed, handle
from local.cloud.engine.effects import Answer, Delay
from local.cloud.engine.http import HttpRequest, Reply, read_query
from local.cloud.engine.ledger import Entry
from local.cloud.graph import errors, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.engine.http import Json
    from local.cloud.engine.service import Service
    from local.cloud.graph.access import Caller
    from local.cloud.local_azure import LocalAzure

MOST = 20
_METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}
_PARTS = {"id", "method", "url", "headers", "body", "dependsOn"}
_FAILED = 400


def answer(world: LocalAzure, call: HttpRequest, caller: Caller, service: Service[LocalAzure]) -> Reply:
    """The replies to all requests of the batch; refuses a batch that is malformed as a whole."""
    items = _items(call)
    replies: dict[str, Reply] = {}
    for item in items:
        key = _key(item)
        replies[key] = _one(world, call, caller, item, replies, service)
    body = {"responses": [_shown(item, replies[_key(item)]) for item in items]}
    return Reply(200, body, {"Content-Type": "application/json"})


def _one(
    world: LocalAzure,
    outer: HttpRequest,
    caller: Caller,
    item: Json,
    replies: Mapping[str, Reply],
    service: Service[LocalAzure],
) -> Reply:
    call = addressed(service, _call(outer, item))
    needed = [str(name).lower() for name in item.get("dependsOn") or ()]
    if any(name not in replies or replies[name].status >= _FAILED for name in needed):
        refusal = service.error(424, "FailedDependency", "A request that this one depends on has failed.")
        return service.finish(world, call, refusal)
    template, reply = _struck(world, call, service)
    who, at = (caller.object_id, caller.app_id), world.clock.now()
    world.ledger.record(Entry("graph", call.method, template, call.path, reply.status, *who, at, batched=True, host=outer.host))
    return reply


def _struck(world: LocalAzure, call: HttpRequest, service: Service[LocalAzure]) -> tuple[str, Reply]:
    """The outcome of a request under the faults in force; an answer that never comes is a 504 within the batch."""
    effect = world.faults.strike(service.name, call.method, call.path)
    if isinstance(effect, Answer):
        waits = {} if effect.retry_after is None else {"Retry-After": f"{effect.retry_after:g}"}
        reply = service.error(effect.status, effect.code, "A fault asked for through the control API.")
        return call.path, service.finish(world, call, replace(reply, headers={**reply.headers, **waits}))
    late = service.finish(world, call, service.error(504, "GatewayTimeout", "The request timed out."))
    if effect == "timeout":
        return call.path, late
    template, reply = handle(world, service, call)
    return template, reply if effect is None or isinstance(effect, Delay) else late


def _items(call: HttpRequest) -> list[Json]:
    try:
        sent = call.json()
    except ValueError:
        sent = {}
    names.only("batch", {"requests"}, sent)
    items: Any = sent.get("requests")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise errors.bad_request("Invalid batch payload format.", "BadRequest")
    if len(items) > MOST:
        raise errors.bad_request(f"Number of batch request steps exceeds the maximum value of {MOST}.", "BadRequest")
    for item in items:
        _check(item)
    if len({_key(item) for item in items}) < len(items):
        raise errors.bad_request("Request Id has to be unique in a batch.", "BadRequest")
    return items


def _check(item: Json) -> None:
    if not isinstance(item.get("id"), str) or not item["id"]:
        raise errors.bad_request("Request Id cannot be empty.", "BadRequest")
    if str(item.get("method", "")).upper() not in _METHODS or not isinstance(item.get("url"), str):
        raise errors.bad_request(f"Invalid method or URL of the request with Id {item['id']}.", "BadRequest")
    names.only("request", _PARTS, item)
    if not isinstance(item.get("headers") or {}, dict) or not isinstance(item.get("dependsOn") or [], list):
        raise errors.bad_request(f"Invalid headers or dependsOn of the request with Id {item['id']}.", "BadRequest")
    if item.get("body") is not None and "content-type" not in _headers(item):
        message = "Write request id : {id} does not contain Content-Type header or body.".format(id=item["id"])
        raise errors.bad_request(message, "BadRequest")


def _key(item: Json) -> str:
    return str(item["id"]).lower()


def _headers(item: Json) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}


def _call(outer: HttpRequest, item: Json) -> HttpRequest:
    """The request as a call of its own, with the batch's token."""
    url = urlsplit("/" + item["url"].lstrip("/"))
    version = outer.path.lstrip("/").partition("/")[0]
    headers = _headers(item)
    headers.setdefault("authorization", outer.headers.get("authorization", ""))
    query, repeated = read_query(url.query)
    return HttpRequest(
        method=str(item["method"]).upper(),
        path=f"/{version}/{unquote(url.path).lstrip('/')}",
        query=query,
        repeated=repeated,
        headers=headers,
        body=b"" if item.get("body") is None else json.dumps(item["body"]).encode(),
        origin=outer.origin,
    )


def _shown(item: Json, reply: Reply) -> Json:
    stored = ("cache-control", "content-type", "location", "odata-version", "retry-after", "x-ms-resource-unit")
    headers = {name: value for name, value in reply.headers.items() if name.lower() in stored}
    shown: Json = {"id": item["id"], "status": reply.status, "headers": headers}
    if reply.body is not None:
        shown["body"] = reply.body.decode() if isinstance(reply.body, bytes) else reply.body
    return shown
