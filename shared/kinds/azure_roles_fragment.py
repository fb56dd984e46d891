"""What role assignments in a role look like, and its parameters, for the contract of every kind that has them."""

from __future__ import annotations

from typing import Any

from shared.core.access.wanted import MAX_PARAMETERS, PARAMETER_NAME
from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.condition import MAX_CONDITION
from shared.core.parameters.kinds import KINDS
from shared.core.parameters.parameter import FIELD, MAX_ALLOWED
from shared.core.parameters.source import Fact
from shared.kinds.fragment import list_of

_TEXT = {"type": "string"}
_AZURE_ROLE = {
    "type": "object",
    "description": "By name or by id.",
    "properties": {
        "scope": _TEXT | {"description": "Where it is assigned: a resource id."},
        "role_name": _TEXT | {"description": "The definition's name, in any case; it must match exactly one at the scope."},
        "role_id": _TEXT | {"description": "The definition's id."},
        "condition": _TEXT
        | {"maxLength": MAX_CONDITION, "description": "An ABAC condition, in version 2.0 of Azure's language."},
    },
    "required": ["scope"],
    "additionalProperties": False,
    "oneOf": [{"required": ["role_name"]}, {"required": ["role_id"]}],
}
_PARAMETER = {
    "type": "object",
    "description": "With `allowed`, with `any`, or with `from`.",
    "properties": {
        "kind": {"type": "string", "enum": [*KINDS], "description": "Azure's rules for such names."},
        "allowed": list_of(_TEXT, MAX_ALLOWED, "Values and patterns: `*` is one or more characters, and never alone."),
        "any": {"type": "boolean", "default": False, "description": "Every well-formed value will do."},
        "default": _TEXT | {"description": "Stands for a value that is left out. It must be allowed."},
        "from": {"type": "string", "enum": [*Fact], "description": "The fact about the caller that fills it."},
        "description": _TEXT | {"description": "For callers."},
    },
    "required": ["kind"],
    "additionalProperties": False,
}
SCHEMAS = {"AzureRole": _AZURE_ROLE, "RoleParameter": _PARAMETER}
"""To which the fields refer."""


def fields_of(assignments: str) -> dict[str, Any]:
    """Returns the fields. ``assignments`` describes the role assignments."""
    return {
        "azure_roles": list_of({"$ref": "#/components/schemas/AzureRole"}, MAX_AZURE_ROLES, assignments),
        FIELD: {
            "type": "object",
            "description": "What fills the holes: `{name}`, a whole segment of a scope or a whole literal of a condition.",
            "minProperties": 1,
            "maxProperties": MAX_PARAMETERS,
            "propertyNames": {"pattern": f"^{PARAMETER_NAME}$"},
            "additionalProperties": {"$ref": "#/components/schemas/RoleParameter"},
        },
        "narrowing": {
            "type": "string",
            "enum": ["allow", "refuse"],
            "default": "allow",
            "description": "Whether an ask may have `within`.",
        },
    }
