"""The ASGI front: routes HTTP requests to functions, and runs other functions by hand for whoever is on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.host import http
from local.host.http import Reply, empty

if TYPE_CHECKING:
    from local.host.invocations import Invocations
    from local.host.routes import Router
    from local.host.worker import Function

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type ByHand = Callable[[str], object]

HTTP_LIMIT = 230.0
"""Seconds, on any plan. Then Azure's load balancer answers 502 and the function runs on, its answer lost:
https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits"""
BODY_LIMIT = 104_857_600
"""Octets; the real host's default, which the app setting FUNCTIONS_REQUEST_BODY_SIZE_LIMIT changes.

A larger body is noticed when it is read for a function, whose binding fails by it: 500 without a body, not 413
(https://github.com/Azure/azure-functions-host/issues/10519). What leads to no function is 404 whatever its body."""
_log = logging.getLogger("local.host")
_ADMIN = "/admin/functions/"
_HOP = frozenset((b"connection", b"content-length", b"transfer-encoding"))


class _TooLargeError(Exception):
    """The body is over the limit."""


class _DisconnectedError(Exception):
    """The client went away before it had sent its request."""


@dataclass(slots=True)
class Front:
    """The application that the server calls."""

    router: Router[Function]
    invocations: Invocations
    by_hand: Mapping[str, ByHand] = field(default_factory=dict)
    """For each function that is not HTTP-triggered, what starts it with a given input. May raise ``ValueError``."""
    body_limit: int = BODY_LIMIT
    http_limit: float = HTTP_LIMIT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. A client that goes away meanwhile does not stop the function: nor does it in Azure."""
        try:
            reply = await self._answer(scope, receive)
        except _TooLargeError:
            _log.error("Request body too large. The max request body size is %d bytes.", self.body_limit)
            reply = empty(500)
        except _DisconnectedError:
            return
        await _send(send, reply, with_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        path = scope["raw_path"].decode("latin-1")
        if path.startswith("/admin/"):
            return self._administer(scope, path, await self._body(scope, receive))
        found = self.router.find(scope["method"], path)
        if found is None:
            return empty(404)
        function, values = found
        task = self.invocations.start(function, http.incoming(scope, await self._body(scope, receive), values))
        done, _ = await asyncio.wait({task}, timeout=self.http_limit)
        if not done:
            return empty(502)
        outcome = task.result()
        return http.outgoing(outcome.value) if outcome.ok else empty(500)

    def _administer(self, scope: Scope, path: str, body: bytes) -> Reply:
        """The part of the real host's admin API that runs a function now: ``POST {"input": ...}``, answered 202.

        The real one asks for the master key; this one takes calls from this machine alone.
        """
        start = self.by_hand.get(path.removeprefix(_ADMIN)) if path.startswith(_ADMIN) else None
        if not _from_here(scope):
            return empty(401)
        if start is None or scope["method"] != "POST":
            return empty(404)
        try:
            start(_input(body))
        except ValueError:
            return empty(400)
        return empty(202)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if any(name == b"content-length" and int(value) > self.body_limit for name, value in scope["headers"]):
            raise _TooLargeError
        message = await receive()
        parts, size = [], 0
        while message["type"] == "http.request":
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self.body_limit:
                raise _TooLargeError
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()
        raise _DisconnectedError


def _input(body: bytes) -> str:
    """The text that the function is to get. Raises ``ValueError`` when the body is no JSON object with one."""
    content = json.loads(body or b"{}")
    given = content.get("input", "") if isinstance(content, dict) else None
    if not isinstance(given, str):
        raise ValueError("input is a string")  # noqa: TRY004 - it is the caller's value that is wrong
    return given


def _from_here(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and ipaddress.ip_address(client[0]).is_loopback


async def _send(send: Send, reply: Reply, *, with_body: bool) -> None:
    """To HEAD, no body and no length but that which the function has said: so does Kestrel, the real host's server."""
    headers = [(name.lower(), value) for name, value in reply.headers if name.lower() not in _HOP]
    if with_body:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    else:
        headers += [(b"content-length", value) for name, value in reply.headers if name.lower() == b"content-length"]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})
