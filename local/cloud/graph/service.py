"""Microsoft Graph as the server sees it: its routes, what happens around every handler, and the headers of every reply."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from local.cloud.engine import compression
from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.graph import access, batch, costs, errors, instants, inventory, queries
from local.cloud.graph.limits import Limits
from local.cloud.graph.request import GraphRequest
from local.cloud.graph.routes import TABLE
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.first_party import GRAPH

if TYPE_CHECKING:
    from local.cloud.engine.http import Handler as RouteHandler
    from local.cloud.graph.request import Handler

VERSIONS = ("v1.0", "beta")
"""Both show the same resources, in the shape of v1.0."""

_ENDPOINT = Endpoint(hosts=("graph.microsoft.com",), paths=VERSIONS, audience=GRAPH, skips_empty_segments=True)

_SHOW_USAGE = 0.8
"""Above this share of a limit, replies tell it: https://learn.microsoft.com/graph/throttling-limits."""
_FAILED = 400
_ENTITY = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_SERVER = {"DataCenter": "Local", "Slice": "E", "Ring": "5", "ScaleUnit": "000", "RoleInstance": "LOCAL00000001"}


@dataclass(slots=True)
class Graph:
    """``graph.microsoft.com``. ``limits`` may be changed while the cloud runs."""

    limits: Limits = field(default_factory=Limits)
    name: str = field(default="graph", init=False)
    endpoint: Endpoint = field(default=_ENDPOINT, init=False)
    routes: tuple[Route[LocalAzure], ...] = field(init=False)
    _chance: random.Random = field(default_factory=lambda: random.Random(0), init=False)
    """What request ids are drawn from; object ids have the world's own."""

    def __post_init__(self) -> None:
        """Lays authentication, rate limits and the check of query options around every handler."""
        handled = [(row.method, row.path, self._around(row.handler, row.options)) for row in TABLE]
        rest = [
            (method, "/{rest:path}", self._around(_missing, queries.LIST))
            for method in ("GET", "POST", "PATCH", "PUT", "DELETE")
        ]
        batched: list[tuple[str, str, RouteHandler[LocalAzure]]] = [("POST", "/$batch", self._batch)]
        table = [*batched, *handled, *rest]
        self.routes = tuple(Route(method, f"/{version}{path}", to) for version in VERSIONS for method, path, to in table)

    def error(self, status: int, code: str, message: str) -> Reply:
        """An error in Graph's shape."""
        return errors.error(status, code, message)

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds what every reply carries, and tells an error its date and request ids."""
        request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        client_id = call.headers.get("client-request-id", request_id)
        headers = {
            "Cache-Control": "no-cache",
            "Strict-Transport-Security": "max-age=31536000",
            "request-id": request_id,
            "client-request-id": client_id,
            "x-ms-ags-diagnostic": json.dumps({"ServerInfo": _SERVER}, separators=(",", ":")),
            "Date": formatdate(world.clock.now(), usegmt=True),
        }
        if reply.status != 401:  # noqa: PLR2004 - a call that is not authenticated has no one to charge
            headers["x-ms-resource-unit"] = str(costs.units(call))
        return replace(reply, body=_identified(world, reply, request_id, client_id), headers=headers | _typed(reply))

    def state(self, world: LocalAzure) -> Json:
        """Directory objects and what belongs to them."""
        return inventory.of(world.directory)

    def _around(self, handler: Handler, options: frozenset[str]) -> RouteHandler[LocalAzure]:
        def handle(world: LocalAzure, call: HttpRequest) -> Reply:
            caller = access.identify(world, call)
            call = _plain(call)
            world.consistency.called_by(caller.object_id)
            used = self.limits.admit(world, caller.app_id, units=costs.units(call), write=costs.writes(call))
            queries.check_options(call, options)
            reply = handler(GraphRequest(world, call, caller, self.limits))
            if used <= _SHOW_USAGE:
                return reply
            return replace(reply, headers={**reply.headers, "x-ms-throttle-limit-percentage": f"{used:.2f}"})

        return handle

    def _batch(self, world: LocalAzure, call: HttpRequest) -> Reply:
        caller = access.identify(world, call)
        queries.check_options(call, frozenset())
        return batch.answer(world, _plain(call), caller, self)


def _plain(call: HttpRequest) -> HttpRequest:
    """The call with a body that nothing compresses."""
    try:
        return compression.unpacked(call)
    except compression.UnknownCodingError as fault:
        raise errors.unsupported_coding(str(fault)) from fault
    except ValueError as fault:
        raise errors.unreadable() from fault


def _missing(request: GraphRequest) -> Reply:
    raise errors.not_implemented(f"{request.call.method} {request.call.path}")


def _typed(reply: Reply) -> dict[str, str]:
    """The reply's own headers, and those that describe its body."""
    if reply.body is None:
        return dict(reply.headers)
    if reply.status >= _FAILED:
        return {"Content-Type": "application/json", **reply.headers}
    return {"Content-Type": _ENTITY, "OData-Version": "4.0", **reply.headers}


def _identified(world: LocalAzure, reply: Reply, request_id: str, client_id: str) -> Any:
    if not isinstance(reply.body, dict) or "error" not in reply.body:
        return reply.body
    # Dates in there have no zone, and no fraction of a second.
    date = str(instants.written(world.clock.now(), precise=False)).removesuffix("Z")
    inner = {"date": date, "request-id": request_id, "client-request-id": client_id}
    return {"error": {**reply.body["error"], "innerError": inner}}
