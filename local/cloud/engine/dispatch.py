"""One call's way through the local cloud: which service, what goes wrong on purpose, the handler, the ledger, the answer."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from local.cloud.engine.context import Context
from local.cloud.engine.effects import INJECTED, MOST_WAIT, Answer, Delay, Effect
from local.cloud.engine.http import HttpRequest, Refusal, Reply, Route, find, read_query
from local.cloud.engine.ledger import Entry
from local.cloud.engine.protocol import hang_up
from local.cloud.engine.service import RefusesByNumber, Service
from local.cloud.engine.tokens import TokenRefused

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Choose[W] = Callable[[HttpRequest], Service[W]]

_LOG = logging.getLogger(__name__)
_SLASHES = re.compile(r"/{2,}")
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Port[W: Context]:
    """The ASGI application behind one port. ``choose`` names the service that a call is for."""

    world: W
    choose: Choose[W]
    scheme: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        call = _call(scope, await _body(receive), self.scheme)
        service = self.choose(call)
        call = addressed(service, call)
        if not service.endpoint.of_azure:
            await _answer(handle(self.world, service, call)[1], self.world.clock.now(), send)
            return
        effect = self.world.faults.strike(service.name, call.method, call.path)
        await _wait(self.world, service, effect)
        template, reply = _outcome(self.world, service, call, effect)
        if reply is None or effect in ("drop_after_effect", "timeout_after_effect"):
            self._record(service, call, template, None)
            await _silence(effect, scope, receive)
            return
        self._record(service, call, template, reply)
        await _answer(reply, self.world.clock.now(), send)

    def _record(self, service: Service[W], call: HttpRequest, template: str, reply: Reply | None) -> None:
        principal, client_id = _caller(self.world, call)
        self.world.ledger.record(
            Entry(
                service.name,
                call.method,
                template,
                call.path,
                reply.status if reply else "dropped",
                principal or (reply.principal if reply else None),
                client_id or (reply.client_id if reply else None),
                self.world.clock.now(),
                host=call.host,
            )
        )


def handle[W: Context](world: W, service: Service[W], call: HttpRequest) -> tuple[str, Reply]:
    """The reply of the service to this call, finished, and the template of the route that took it."""
    call = addressed(service, call)
    taken = find(service.routes, call.method, call.path)
    if taken is None:
        return call.path, service.finish(world, call, _unknown(service, call))
    route, params = taken
    call = replace(call, params=params)
    if service.endpoint.of_azure:
        world.consistency.turn()
    return route.template, service.finish(world, call, _reply(world, service, route, call))


def addressed[W](service: Service[W], call: HttpRequest) -> HttpRequest:
    """The call with the path by which its service knows what is asked for."""
    if not service.endpoint.skips_empty_segments or "//" not in call.path:
        return call
    return replace(call, path=_SLASHES.sub("/", call.path))


def _reply[W](world: W, service: Service[W], route: Route[W], call: HttpRequest) -> Reply:
    try:
        return route.handler(world, call)
    except Refusal as refusal:
        return refusal.reply
    except Exception:  # noqa: BLE001 - a fault of ours is an answer of 500, never the end of the server
        _LOG.exception("%s %s failed in the local cloud itself", call.method, call.path)
        return service.error(500, "LocalCloudFault", "The local cloud failed; its log says why.")


def _unknown[W](service: Service[W], call: HttpRequest) -> Reply:
    return service.error(501, "NotImplemented", f"{call.method} {call.path} is not implemented by the local cloud.")


def _outcome[W: Context](world: W, service: Service[W], call: HttpRequest, effect: Effect | None) -> tuple[str, Reply | None]:
    """The template and the reply; no reply for a call that never takes effect and is never answered."""
    if effect == "timeout":
        return _template(service, call), None
    if isinstance(effect, Answer):
        return _template(service, call), service.finish(world, call, _injected(world, service, call, effect))
    return handle(world, service, call)


def _template[W](service: Service[W], call: HttpRequest) -> str:
    taken = find(service.routes, call.method, call.path)
    return taken[0].template if taken else call.path


def _injected[W](world: W, service: Service[W], call: HttpRequest, effect: Answer) -> Reply:
    if effect.aadsts is not None and isinstance(service, RefusesByNumber):
        reply: Reply = service.numbered(world, call, effect.status, effect.code, effect.aadsts)
    else:
        reply = service.error(effect.status, effect.code, INJECTED)
    wait = {} if effect.retry_after is None else {"retry-after": f"{effect.retry_after:g}"}
    return replace(reply, headers={**reply.headers, **wait})


async def _wait[W: Context](world: W, service: Service[W], effect: Effect | None) -> None:
    seconds = world.consistency.latency(service.name) + (effect.seconds if isinstance(effect, Delay) else 0.0)
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _silence(effect: Effect | None, scope: Scope, receive: Receive) -> None:
    """Closes the connection, or waits for the client to do so."""
    if effect == "drop_after_effect":
        hang_up(dict(scope))
    try:
        async with asyncio.timeout(MOST_WAIT):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        hang_up(dict(scope))
        await receive()


def _caller(world: Context, call: HttpRequest) -> tuple[str | None, str | None]:
    """Object id and client id in the bearer token, if this tenant signed it."""
    if call.bearer is None:
        return None, None
    try:
        claims = world.tokens.signed(call.bearer)
    except TokenRefused:
        return None, None
    return claims.get("oid"), claims.get("appid") or claims.get("azp")


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def _call(scope: Scope, body: bytes, scheme: str) -> HttpRequest:
    headers: Mapping[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query, repeated = read_query(scope["query_string"].decode("latin-1"))
    return HttpRequest(
        method=scope["method"],
        path=scope["path"],
        query=query,
        repeated=repeated,
        headers=headers,
        body=body,
        origin=f"{scheme}://{headers.get('host', '127.0.0.1')}",
    )


async def _answer(reply: Reply, now: float, send: Send) -> None:
    body = reply.render()
    headers = {name.lower(): value for name, value in reply.headers.items()}
    headers.setdefault("date", formatdate(now, usegmt=True))
    if body:
        headers.setdefault("content-type", _JSON)
    headers["content-length"] = str(len(body))
    if reply.status == 204:  # noqa: PLR2004 - No Content has no length either (RFC 9110, 8.6)
        del headers["content-length"]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
