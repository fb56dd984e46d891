"""What the broker publishes events of: their schema, for whoever reads them."""

from __future__ import annotations

import json
from functools import cache

from shared.core.outgoing.schema import event_schema
from shared.triggers.http.edge import Edge, UnverifiedRequest
from shared.triggers.http.reply import Reply
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import Answer, Value

api = Api("events")


@api.open("GET", "events/schema", answers=(Answer(200, "A JSON Schema (2020-12).", Value({"type": "object"})),))
async def schema(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """The schema of the events that the broker publishes.

    For anybody. Each type of event is under `$defs`, by its name.
    """
    return Reply(200, _document())


@cache
def _document() -> bytes:
    return json.dumps(event_schema()).encode()
