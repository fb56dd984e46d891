"""Event Grid as the server sees it: its names, its one operation, and what it does by itself."""

from __future__ import annotations

import random
import uuid

from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.event_grid import courier, errors
from local.cloud.event_grid.connections import Connections
from local.cloud.event_grid.grid import Grid
from local.cloud.event_grid.publishing import publish
from local.cloud.event_grid.topics import DOMAIN
from local.cloud.local_azure import LocalAzure

_SERVER = "Microsoft-HTTPAPI/2.0"


class EventGrid:
    """``*.westeurope-1.eventgrid.azure.net``, and on a port of its own ``/{topic}``."""

    name = "event_grid"
    endpoint = Endpoint(hosts=(f"*{DOMAIN}",))

    def __init__(self) -> None:
        # The world's own chance is for object ids: what is published must not change which are drawn.
        self._chance = random.Random(0)
        self.routes = (Route("POST", "{path:path}", publish),)

    async def work(self, world: LocalAzure) -> None:
        """Delivers what is due, until it is cancelled."""
        async with Connections(world) as connections:
            await courier.serve(world, connections)

    def error(self, status: int, code: str, message: str) -> Reply:
        """Event Grid's shape."""
        return errors.error(status, code, message)

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds the headers that are on every reply."""
        request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        headers = {"server": _SERVER, "x-ms-request-id": request_id, "api-supported-versions": "2018-01-01"}
        return Reply(reply.status, reply.body, {**headers, **reply.headers})

    def state(self, world: LocalAzure) -> Json:
        """Topics and subscriptions, with counts of what is on its way; the events are the control API's to show."""
        grid = world.of(Grid)
        topics = [{"name": topic.name, "kind": topic.kind, "id": topic.id} for topic in grid.topics.values()]
        held = [each.shown() for each in grid.subscriptions.values()]
        counted = [{**each, "dead_letters": len(each["dead_letters"])} for each in held]
        return {"event_topics": topics, "event_subscriptions": counted}
