"""Event rules in the contract."""

from __future__ import annotations

from typing import Any

from shared.core.access.wanted import LONGEST_PARAMETER_VALUE, MAX_PARAMETERS, PARAMETER_NAME
from shared.core.events.action import SUBJECT_ID, SUBJECT_IDENTITY
from shared.core.events.event_rule import DEFAULT_PER_HOUR, MAX_OPERATIONS, MAX_TYPES, MOST_PER_HOUR, VERIFY
from shared.core.names import ROLE_NAME
from shared.core.role import MAX_TTL, MIN_TTL
from shared.kinds.fragment import list_of
from shared.triggers.http.documents import MATCHING
from shared.triggers.http.responses import CAUTION
from shared.triggers.http.shape import DURATION, ID

_NAME = {"type": "string", "pattern": f"^{ROLE_NAME}$"}
_WHOLE = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^*]+$"}
_ISSUE: dict[str, Any] = {
    "type": "object",
    "description": "A lease for the holder, if the subject is there.",
    "properties": {
        "role": _NAME | {"description": "Its leases give to their holder, or are delivered under a name without `{ulid}`."},
        "ttl": {
            "oneOf": [{"type": "integer", "minimum": MIN_TTL, "maximum": MAX_TTL}, *DURATION["oneOf"][1:]],
            "description": "The role's, if it is left out.",
        },
        "holder": {
            "type": "string",
            "description": f"The object id of a principal, or `{SUBJECT_IDENTITY}`: the resource's own identity.",
        },
        "delivery": {
            "type": "object",
            "properties": {"vault": {"type": "string", "description": "One of the role's vaults."}},
            "required": ["vault"],
            "additionalProperties": False,
            "description": "Where the credential is delivered. Left out: as the role says.",
        },
        "parameters": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_PARAMETERS,
            "propertyNames": {"pattern": f"^{PARAMETER_NAME}$"},
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": LONGEST_PARAMETER_VALUE},
            "description": "Values of the role's parameters, or `subject.subscription_id`, `subject.resource_group`,"
            " `subject.resource_name`.",
        },
        "within": {"type": "string", "description": f"A scope to which the role is narrowed, or `{SUBJECT_ID}`."},
        "rotate": {
            "type": "boolean",
            "default": False,
            "description": "Before a lease ends, a successor is issued under the same secret name. For delivered roles.",
        },
    },
    "required": ["role", "holder"],
    "additionalProperties": False,
}
_REVOKE: dict[str, Any] = {
    "type": "object",
    "description": "Leases of the subject, if it is gone, or has another identity.",
    "properties": {
        "of": {
            "type": "string",
            "pattern": f"^(scope|rule:{ROLE_NAME})$",
            "description": "`rule:NAME`: what that rule has issued for it; `scope`: what was granted at or below it.",
        }
    },
    "required": ["of"],
    "additionalProperties": False,
}

_BESIDE: dict[str, Any] = {
    "lender": {
        "type": "object",
        "properties": {"object_id": ID.schema, "tenant_id": ID.schema},
        "description": "In answers: who has written the rule. Ignored in a PUT.",
    },
    "denied_since": {
        "type": "string",
        "format": "date-time",
        "description": "In answers: since when its writer's rights do not suffice. Ignored in a PUT.",
    },
    "warnings": {
        "type": "array",
        "items": {"$ref": f"#/components/schemas/{CAUTION.name}"},
        "description": "In the answer to a PUT, when there are any; ignored in a PUT.",
    },
    "azure": {
        "type": "array",
        "items": {"$ref": f"#/components/schemas/{MATCHING.name}"},
        "description": "In the answer to a dry run: how many resources match now. Ignored in a PUT.",
    },
}
"""What an answer has beside the document."""


def event_rule_schema() -> dict[str, Any]:
    """Returns the schema of an event rule."""
    return {
        "type": "object",
        "description": "Which events, and what the broker does then, with the rights of the rule's writer.",
        "properties": {
            "name": _NAME | {"description": "Given in answers; taken in a PUT when it is the path's."},
            "source": {
                "type": "string",
                "maxLength": 4096,
                "description": "Where the events come from: exactly, or what they begin with, in whole segments. No `*`.",
            },
            "types": list_of(_WHOLE, MAX_TYPES, "Types of events, each named whole."),
            "operations": list_of(_WHOLE, MAX_OPERATIONS, "Operations of Azure's, such as `Microsoft.Web/sites/write`."),
            "subject": {
                "type": "string",
                "maxLength": 2048,
                "pattern": "^(/[^/]+)+$",
                "description": "A pattern of subjects. `*` is exactly one segment: of Azure's resources, a name.",
            },
            "verify": {
                "type": "string",
                "enum": [*VERIFY],
                "default": "azure",
                "description": "`none`: nobody looks whether the event is true. For types that are not Azure's own.",
            },
            "max_per_hour": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_PER_HOUR,
                "default": DEFAULT_PER_HOUR,
                "description": "Leases of the rule within an hour. Beyond that, events wait.",
            },
            "enabled": {"type": "boolean", "default": True},
            "description": {"type": "string", "minLength": 1, "maxLength": 1024},
            "action": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {verb: schema},
                        "required": [verb],
                        "additionalProperties": False,
                    }
                    for verb, schema in (("issue", _ISSUE), ("revoke", _REVOKE))
                ]
            },
            **_BESIDE,
        },
        "required": ["source", "types", "subject", "action"],
        "additionalProperties": False,
    }
