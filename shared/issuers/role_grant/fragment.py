"""What roles of this kind look like, for the contract."""

from __future__ import annotations

from shared.issuers.role_grant.footprint import ALREADY_HELD
from shared.issuers.role_grant.schema import ON_EXISTING
from shared.kinds.azure_roles_fragment import SCHEMAS, fields_of
from shared.kinds.fragment import Fragment

_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_MADE = {
    "type": "object",
    "properties": {
        "id": _TEXT | {"description": "Of the role assignment."},
        "scope": _TEXT,
        "role_definition_id": _TEXT,
    },
    "required": ["id", "scope", "role_definition_id"],
    "additionalProperties": False,
}
_LEFT_OUT = {
    "type": "object",
    "properties": {"scope": _TEXT, "role_definition_id": _TEXT, "code": {"const": ALREADY_HELD}},
    "required": ["scope", "role_definition_id", "code"],
    "additionalProperties": False,
}
FRAGMENT = Fragment(
    type="role_grant",
    name="RoleGrantRole",
    description="Role assignments to the caller itself for the time of the lease. There is no secret.",
    properties={
        **fields_of("Role assignments that the caller gets."),
        "on_existing": {
            "type": "string",
            "enum": list(ON_EXISTING),
            "default": ON_EXISTING[0],
            "description": "Where the caller has one of them already, and not by a lease: refuse the request, or leave it out.",
        },
        "ready": {
            "type": "string",
            "enum": ["none"],
            "default": "none",
            "description": "Nothing is tried out: the caller signs in as before.",
        },
    },
    required=("azure_roles",),
    credential={
        "description": "What the caller has been granted. Nothing of it is secret: the caller signs in as itself.",
        "properties": {
            "tenant_id": _ID | {"description": "Of the caller."},
            "client_id": _ID | {"type": ["string", "null"], "description": "Of the caller's application; null for a user."},
            "object_id": _ID | {"description": "Of the caller."},
            "subscription_id": _ID | {"description": "When all that was made lies in one."},
            "role_assignments": {"type": "array", "minItems": 1, "items": _MADE, "description": "What was made."},
            "left_out": {
                "type": "array",
                "items": _LEFT_OUT,
                "description": "What the caller has already, by assignments that stay when the lease ends.",
            },
        },
        "required": ["tenant_id", "client_id", "object_id", "role_assignments", "left_out"],
    },
    found=("grant",),
    schemas=SCHEMAS,
)
