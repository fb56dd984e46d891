"""A call as a service receives it, the reply it gives, and the table of routes between them.

Handlers are plain functions ``(world, call) -> Reply``, whatever a world ``W`` is. They run without interruption on one event
loop, so every call is atomic; latency, faults and the ledger are laid around them by the server.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from local.cloud.engine.errors import InputError

type Json = dict[str, Any]
type Handler[W] = Callable[[W, "HttpRequest"], "Reply"]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request. ``path`` is percent-decoded and has no query; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    """Of a name that stands there twice, the last value."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    origin: str = ""
    """Scheme, host and port as the client wrote them, e.g. ``https://127.0.0.1:7443``."""
    params: Mapping[str, str] = field(default_factory=dict)
    """What the route's ``{names}`` matched."""
    repeated: frozenset[str] = frozenset()
    """Names that stand in the query more than once."""

    def json(self) -> Json:
        """The body as a JSON object; raises ``ValueError`` (``InputError`` is one) when it is anything else."""
        value = self.value() if self.body else {}
        if not isinstance(value, dict):
            raise InputError("the body is not a JSON object")
        return value

    def value(self) -> Any:
        """The body as any JSON value; raises ``ValueError``."""
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as ``application/x-www-form-urlencoded`` fields; octets that are none make no fields."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    @property
    def host(self) -> str:
        """The name that was called, in lower case and without a port; empty when the call names none."""
        return self.headers.get("host", "").rsplit(":", 1)[0].lower()

    @property
    def bearer(self) -> str | None:
        """The token in ``Authorization: Bearer``, if there is one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response. ``body`` is rendered as JSON unless it is ``None`` (empty) or already ``bytes``."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: str | None = None
    """Object id of who called, for the ledger, where no bearer token says it."""
    client_id: str | None = None
    """Client id of who called, likewise."""

    def render(self) -> bytes:
        """The body's octets."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


class Refusal(Exception):
    """Raised by a handler, at any depth, to answer with the service's own error."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status}")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Route[W]:
    """A method and a path template such as ``/v1.0/applications/{id}``; literal text matches in any case.

    ``{name}`` matches within one segment, ``{name:path}`` across segments (ARM scopes).
    """

    method: str
    template: str
    handler: Handler[W]
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compiles the template once."""
        object.__setattr__(self, "pattern", re.compile(_expression(self.template), re.IGNORECASE))


def _expression(template: str) -> str:
    parts = re.split(r"(\{\w+(?::path)?\})", template)
    return "^" + "".join(_part(part) for part in parts) + "/?$"


def _part(part: str) -> str:
    named = re.fullmatch(r"\{(\w+)(:path)?\}", part)
    if named is None:
        return re.escape(part)
    return f"(?P<{named[1]}>{'.*' if named[2] else '[^/]+?'})"


def read_query(text: str) -> tuple[dict[str, str], frozenset[str]]:
    """What a query says, and which names stand in it more than once."""
    pairs = parse_qsl(text, keep_blank_values=True)
    times = Counter(name for name, _ in pairs)
    return dict(pairs), frozenset(name for name in times if times[name] > 1)


def find[W](routes: tuple[Route[W], ...], method: str, path: str) -> tuple[Route[W], dict[str, str]] | None:
    """The first route that takes this call, with what its names matched."""
    for route in routes:
        if route.method == method and (match := route.pattern.match(path)):
            return route, match.groupdict()
    return None
