"""The JSON Schema (2020-12) of what each type of event tells. Anybody may read it, at ``GET /api/v1/events/schema``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.outgoing.event import EventType

type Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_TRUTH: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "string", "format": "date-time"}
_CAUSES = (
    *("revoked", "expired", "uncollected", "subject_gone", "subject_replaced", "role_revoked", "vanished"),
    "failed",
)
_LEASE: Schema = {
    "lease": _TEXT,
    "role": _TEXT,
    "type": {"type": "string", "description": "The kind of credential."},
    "holder": {"$ref": "#/$defs/principal"},
    "issued_at": _TIME,
    "expires_at": _TIME,
}


def _object(properties: Schema, description: str, *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "description": description, "properties": dict(properties), "required": required}


def _of_lease(description: str, *, optional: tuple[str, ...] = (), **more: Schema) -> dict[str, Any]:
    return _object({**_LEASE, **more}, description, optional=optional)


_DATA: Mapping[EventType, Schema] = {
    EventType.ISSUED: _of_lease(
        "A lease has become active.",
        ready={"type": "boolean", "description": "Whether its credential was seen to work."},
        delivered_to={"type": "string", "format": "uri", "description": "The secret that holds it, without a version."},
        optional=("delivered_to",),
    ),
    EventType.RENEWED: _of_lease("A lease has a later end.", former_expires_at=_TIME),
    EventType.EXPIRING: _of_lease(
        "Two thirds of the time until a lease's end are over. Told once for each end.",
        renewable=_TRUTH,
        max_expires_at=_TIME,
    ),
    EventType.ENDED: _of_lease(
        "Nothing of a lease is left in Azure.",
        cause={"enum": [*_CAUSES]},
        residual_until={
            "type": ["string", "null"],
            "format": "date-time",
            "description": "Until when an access token that was handed out stays good as a signature.",
        },
    ),
    EventType.STUCK: _of_lease(
        "A lease could not be ended in too many attempts. The broker still tries.",
        last_error={"type": "string", "description": "A code of docs/problems.md."},
        may_remain={"type": "array", "items": _TEXT, "description": "Names and ids in Azure, the first twenty."},
    ),
    EventType.POOL_LOW: _object(
        {"role": _TEXT, "ready": _COUNT, "wanted": _COUNT, "since": _TIME},
        "Fewer than half of the leases of a role's pool have been ready for ten minutes.",
    ),
    EventType.ROLE_CHANGED: _object(
        {
            "document": {"type": "string", "description": "Its path, such as roles/web."},
            "name": _TEXT,
            "deleted": _TRUTH,
            "who": {"anyOf": [{"$ref": "#/$defs/principal"}, {"type": "null"}]},
            "fields": {"type": "array", "items": _TEXT, "description": "The names of the fields that differ."},
            "more_fields": {"type": "boolean", "description": "Whether others differ as well that are not named."},
        },
        "Somebody has written or deleted a role or an event rule.",
    ),
}
"""What ``data`` holds. Later versions may add fields: no type refuses fields that it does not name."""


def event_schema() -> dict[str, Any]:
    """Returns the schema of an event as it is published. Each type is under ``$defs``, by its name."""
    principal = _object({"object_id": _TEXT, "tenant_id": _TEXT}, "A user or a service principal.")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of Leasehold, as a CloudEvent 1.0",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in EventType],
        "$defs": {**{str(name): _event(name, data) for name, data in _DATA.items()}, "principal": principal},
    }


def _event(name: EventType, data: Schema) -> dict[str, Any]:
    properties: Schema = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "An event that comes twice has the same id."},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"const": str(name)},
        "subject": _TEXT,
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri-reference"},
        "data": data,
    }
    return _object(properties, str(data["description"]))
