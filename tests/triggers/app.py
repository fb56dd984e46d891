"""The functions on a broker of fakes, called as the Functions host calls them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import azure.functions as func

from shared.core.caller import Caller
from shared.core.errors import LeaseholdError, Unauthenticated
from shared.triggers.broker import Broker
from shared.triggers.http import groups
from shared.triggers.http.edge import Edge
from shared.triggers.http.routes import Api
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, WATCHER, World

TOKENS = {"alice.token.x": ALICE, "bob.token.x": BOB, "admin.token.x": ADMINISTRATOR, "watcher.token.x": WATCHER}
CHALLENGE = 'Bearer realm="leasehold", authorization_uri="https://sign.in", resource_id="api://leasehold"'
HOST = "https://broker.example"


class FakeVerifier:
    """Knows a few tokens."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.known = dict(TOKENS)

    async def verify(self, token: str) -> Caller:
        """See the port."""
        if self.trouble is not None:
            raise self.trouble
        if token not in self.known:
            raise Unauthenticated("The token's signature does not verify.")
        return self.known[token]


class Invocation(func.Context):
    """What a function is told of its own invocation."""

    invocation_id = "11111111-2222-4333-8444-555555555555"
    thread_local_storage = threading.local
    function_name = "function"
    function_directory = "/app"
    trace_context: Any = None
    retry_context: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """A problem's code."""
        return str(self.json["code"])

    def without_request_id(self) -> bytes:
        """The body but for the one thing that always differs."""
        return self.body.replace(self.headers["x-request-id"].encode(), b"-")


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    methods: frozenset[str]
    route: list[str]
    entry: Any

    def match(self, method: str, parts: list[str]) -> dict[str, str] | None:
        """The route's values when this function serves the request."""
        if self.methods and method not in self.methods:
            return None
        values: dict[str, str] = {}
        for index, segment in enumerate(self.route):
            if segment.startswith("{*"):
                return values | {segment[2:-1]: "/".join(parts[index:])}
            if index >= len(parts) or (segment[0] != "{" and segment.lower() != parts[index].lower()):
                return None
            if segment[0] == "{":
                values[segment[1:-1]] = parts[index]
        return values if len(parts) == len(self.route) else None


@dataclass(slots=True)
class App:
    """Every HTTP function, over one world."""

    world: World
    verifier: FakeVerifier = field(default_factory=FakeVerifier)
    unwired: LeaseholdError | None = None
    """What building the broker raises."""
    docs_url: str = ""
    public_url: str = HOST
    groups: tuple[Api, ...] = groups.GROUPS
    functions: list[_Function] = field(init=False)

    def __post_init__(self) -> None:
        edge = Edge(self.get_broker, self.world.clock)
        app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
        for group in groups.with_the_rest(self.groups):
            app.register_functions(group.blueprint(edge))
        # The host tries them in the order of their names, whatever their routes.
        self.functions = sorted((_indexed(each) for each in app.get_functions()), key=lambda each: each.name.lower())

    async def get_broker(self) -> Broker:
        """The broker, as the composition root gives it."""
        if self.unwired is not None:
            raise self.unwired
        return Broker(self.world.ports, self.verifier, CHALLENGE, self.docs_url, self.public_url)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "alice.token.x",
        body: Any = None,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer:
        """One request. ``body``: bytes as they are, anything else as JSON. ``path`` may hold a query as it is written."""
        octets = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} if octets else {}
        sent |= {"authorization": f"Bearer {token}"} if token is not None else {}
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        path, _, written = path.partition("?")
        written = "&".join(filter(None, (written, urlencode(query or {}))))
        params = _joined(parse_qsl(written))
        function, values = self._find(method, path)
        url = f"{HOST}{path}{'?' + written if written else ''}"
        request = func.HttpRequest(method, url, headers=sent, params=params, route_params=values, body=octets)
        response = await function.entry(req=request, context=Invocation())
        return Answer(response.status_code, {name.lower(): value for name, value in response.headers}, response.get_body())

    def _find(self, method: str, path: str) -> tuple[_Function, dict[str, str]]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        for function in self.functions:
            if (values := function.match(method, parts)) is not None:
                return function, values
        raise AssertionError(f"no function serves {method} {path}")


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """As the host gives a query: what has no value is left out, values of one name are joined."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: ",".join(each) for name, each in values.items()}


def _indexed(function: Any) -> _Function:
    trigger = json.loads(function.get_function_json())["bindings"][0]
    methods = frozenset(str(method) for method in trigger.get("methods", ()))
    return _Function(function.get_function_name(), methods, trigger["route"].split("/"), function.get_user_function())
