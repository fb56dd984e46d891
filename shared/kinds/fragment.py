"""What a kind of credential adds to the contract: the fields of its roles, and what is handed out. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.core.delivery import DEFAULT_NAME, FORMATS, MAX_NAME, MAX_VAULTS, TYPE

type JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fragment:
    """One kind's. ``name`` is its roles' among the contract's schemas; ``schemas`` are others that its fields refer to."""

    type: str
    name: str
    description: str
    properties: JsonSchema
    required: tuple[str, ...]
    credential: Mapping[str, Any]
    found: tuple[str, ...]
    """What a reconciliation may find of the kind: the types of its candidates."""
    schemas: JsonSchema = field(default_factory=dict)
    other_credentials: tuple[Mapping[str, Any], ...] = ()
    """What else may be handed out, if a role says so."""


def list_of(item: JsonSchema, most: int, description: str) -> dict[str, Any]:
    """A list that may be left out, and is not empty when it is there."""
    return {"type": "array", "minItems": 1, "maxItems": most, "items": item, "description": description}


def _id(description: str) -> dict[str, Any]:
    return {"type": "string", "format": "uuid", "description": description}


def identity_fields(credential: str) -> dict[str, Any]:
    """The fields that every credential of an application has."""
    return {
        "credential": {"const": credential, "description": "What it is."},
        "tenant_id": _id("Where to sign in."),
        "client_id": _id("Of the application."),
        "object_id": _id("Of the service principal, where there is one.") | {"type": ["string", "null"]},
        "subscription_id": _id("When all of the role's scopes lie in one."),
    }


CLIENT_SECRET: dict[str, Any] = {
    "description": "What OAuth's client credentials flow takes.",
    "properties": {
        **identity_fields("secret"),
        "client_secret": {"type": "string", "description": "The secret."},
        "secret_id": _id("What names the secret."),
    },
    "required": ["credential", "tenant_id", "client_id", "client_secret", "object_id", "secret_id"],
}
"""The credential of every kind that hands a client secret out."""


DELIVERY: dict[str, Any] = {
    "type": "object",
    "description": "Puts credentials of leases into key vaults, in place of the answers. See docs/delivery.md.",
    "properties": {
        "type": {"const": TYPE},
        "vaults": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_VAULTS,
            "uniqueItems": True,
            "items": {"type": "string", "format": "uri"},
            "description": "Addresses of vaults of the broker's tenant, in lower case, without a slash at the end. An ask"
            " chooses one of them; the first is the usual.",
        },
        "name": {
            "type": "string",
            "default": DEFAULT_NAME,
            "pattern": r"^([0-9a-zA-Z-]|\{role\}|\{ulid\}|\{holder\})+$",
            "description": f"Of the secret, {MAX_NAME} characters at most once `{{role}}`, `{{ulid}}` (the lease's) and"
            " `{holder}` (an object id) are filled in. With `{ulid}`, each lease has a secret of its own; without, a version.",
        },
        "format": {
            "enum": [*FORMATS],
            "default": "json",
            "description": "`json`: the credential as an object; `env`: a dotenv file; `value`: the bare secret.",
        },
        "required": {
            "type": "boolean",
            "default": True,
            "description": "Whether every lease is delivered. If not, those whose ask has `delivery`.",
        },
    },
    "required": ["type", "vaults"],
    "additionalProperties": False,
}
"""The field of roles whose credentials can be put into a vault."""
