"""Roles in the contract: what all of them have, and what each kind of credential adds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.contract_access import BESIDE, BOUNDS, NAME
from shared.core.role import DEFAULT_TTL, MAX_LIVE, MAX_TTL, MIN_TTL
from shared.kinds.fragment import Fragment
from shared.triggers.http.shape import DURATION, WHOLE

_LIFE: dict[str, Any] = {
    "oneOf": [{"type": "integer", "minimum": MIN_TTL, "maximum": MAX_TTL}, *DURATION["oneOf"][1:]],
}
_LIMITS = "60 seconds to 30 days, or to `LEASEHOLD_MAX_TTL` if that is less"
COMMON: dict[str, Any] = {
    "name": NAME | {"description": "Given in answers; taken in a PUT when it is the path's."},
    "ttl": {
        **_LIFE,
        "default": DEFAULT_TTL,
        "description": f"Lifetime of a lease unless its caller asks for another. {_LIMITS}.",
    },
    "max_ttl": {
        **_LIFE,
        "description": f"The longest a lease may live, renewals included. {_LIMITS}; 4 hours unless `ttl` is longer.",
    },
    "renewable": {"type": "boolean", "default": True, "description": "Whether leases can be renewed, up to `max_ttl`."},
    "max_leases": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_LIVE,
        "description": "How many leases there may be at once; left out for any number. One that is ending takes no room.",
    },
    "max_leases_per_caller": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_LIVE,
        "description": "How many of them one caller may hold at once; left out for any number. An ending one takes no room.",
    },
    "ready": {
        "type": "string",
        "enum": ["none", "token"],
        "default": "token",
        "description": "`token`: the credential is tried out against Entra ID before it is handed over, twenty sign-ins at"
        " least; what is not proven in time is handed over as `pending`. `none`: it is handed over at once.",
    },
    **BOUNDS,
    **BESIDE,
}
UNREADABLE: dict[str, Any] = {
    "type": "object",
    "description": "A stored role that this broker cannot read: it was written by another version, or damaged. It can be"
    " written again, and deleted.",
    "properties": {
        "name": NAME,
        "type": {"const": "unknown"},
        "ttl": WHOLE.schema,
        "max_ttl": WHOLE.schema,
        "max_leases": WHOLE.schema,
        "max_leases_per_caller": WHOLE.schema,
        **{field: {"type": "array", "items": {"type": "string"}} for field in COMMON if field.startswith("bound_")},
        "renewable": {"type": "boolean"},
    },
    "required": ["name", "type", "ttl", "max_ttl", "renewable"],
    "additionalProperties": False,
}


DELIVERED: dict[str, Any] = {
    "type": "object",
    "description": "A credential that lies in a key vault: where. It is nowhere else.",
    "properties": {
        "type": {"const": "delivered"},
        "key_vault_secret_id": {"type": "string", "format": "uri", "description": "The version's id."},
        "vault": {"type": "string", "format": "uri"},
        "secret_name": {"type": "string"},
        "secret_version": {"type": "string"},
        "expires_at": {"type": "string", "format": "date-time", "description": "The lease's end."},
    },
    "required": ["type", "key_vault_secret_id", "vault", "secret_name", "secret_version", "expires_at"],
    "additionalProperties": False,
}


def role_schemas(kinds: Iterable[Fragment]) -> dict[str, Any]:
    """Of all kinds together, by the names under which the contract tells of them."""
    kinds = tuple(kinds)
    mapping = {each.type: f"#/components/schemas/{each.name}" for each in kinds}
    role = {
        "description": "What to mint, for whom, for how long. Every `bound_` kind that is present must match, any value within"
        " a kind does; without any kind only admins may issue.",
        "oneOf": [{"$ref": place} for place in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    found = {"Role": role, "UnreadableRole": UNREADABLE, "Credential": _credential(kinds)}
    for each in kinds:
        found |= {each.name: _of_kind(each), **each.schemas}
    return found


def _of_kind(kind: Fragment) -> dict[str, Any]:
    return {
        "type": "object",
        "description": kind.description,
        "properties": COMMON | {"type": {"const": kind.type}, **kind.properties},
        "required": ["type", *kind.required],
        "additionalProperties": False,
    }


def _credential(kinds: tuple[Fragment, ...]) -> dict[str, Any]:
    """Kinds whose credentials look alike share one description."""
    looks: list[Any] = []
    for look in (look for each in kinds for look in (each.credential, *each.other_credentials)):
        if look not in looks:
            looks.append(look)
    described = [
        look
        | {
            "type": "object",
            "properties": look["properties"]
            | {
                "type": {
                    "type": "string",
                    "enum": [each.type for each in kinds if look in (each.credential, *each.other_credentials)],
                    "description": "The role's type.",
                },
                "expires_at": {
                    "type": "string",
                    "format": "date-time",
                    "description": "The lease's end, or the credential's own if that is earlier.",
                },
            },
            "required": [*look["required"], "type", "expires_at"],
            "additionalProperties": False,
        }
        for look in looks
    ]
    return {"oneOf": [*described, DELIVERED]}
