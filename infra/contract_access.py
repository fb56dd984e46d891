"""Who may have what, in the contract: bounds, auth roles, policies, and the configuration as one document."""

from __future__ import annotations

from typing import Any

from infra.contract_events import event_rule_schema
from shared.core.access.auth_role import MAX_POLICIES
from shared.core.access.bounds import MAX_VALUES, Constraint
from shared.core.access.documents import MAX_TESTS
from shared.core.access.frame import FORM
from shared.core.access.policy import ASKED, CAPABILITIES, DENY, MAX_RULES
from shared.core.access.wanted import LONGEST_PARAMETER_VALUE, MAX_PARAMETER_VALUES, MAX_PARAMETERS, PARAMETER_NAME
from shared.core.names import ROLE_NAME
from shared.kinds.fragment import list_of
from shared.triggers.http.documents import EXISTING, MATCHING
from shared.triggers.http.explain import PARAMETERS
from shared.triggers.http.responses import CAUTION
from shared.triggers.http.shape import ID

NAME = {"type": "string", "pattern": f"^{ROLE_NAME}$"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 256}
_ONE_NAME = _TEXT | {"pattern": "^[^/*]+$"}
_PATTERN = {"type": "string", "minLength": 2, "maxLength": 1024, "pattern": "^(/[^/]+)+$"}
BOUNDS: dict[str, Any] = {
    "bound_tenant_ids": list_of(
        ID.schema,
        MAX_VALUES,
        "Tenants of which a caller may be, among LEASEHOLD_ALLOWED_TENANTS; without it the broker's own alone. Another bound_"
        " field must stand beside it.",
    ),
    "bound_service_principal_ids": list_of(ID.schema, MAX_VALUES, "Object ids of callers."),
    "bound_application_ids": list_of(ID.schema, MAX_VALUES, "Client ids of applications that call as themselves."),
    "bound_group_ids": list_of(ID.schema, MAX_VALUES, "Object ids of security groups, of which a caller is in one."),
    "bound_app_roles": list_of(
        _TEXT, MAX_VALUES, "Entra app roles of which a caller needs one, each named whole: a * is refused."
    ),
    "bound_subscription_ids": list_of(ID.schema, MAX_VALUES, "Of the resource whose managed identity the caller is."),
    "bound_resource_groups": list_of(_ONE_NAME, MAX_VALUES, "The resource's group, by name."),
    "bound_scale_sets": list_of(_ONE_NAME, MAX_VALUES, "The resource's uniform scale set, by name."),
    "bound_locations": list_of(_ONE_NAME, MAX_VALUES, "Where the resource is, as Resource Manager writes it: `westeurope`."),
    "bound_resource_ids": list_of(
        _PATTERN, MAX_VALUES, "Patterns of the resource's id. `*` is one segment and, as the last one, one or more."
    ),
}
"""The kinds of bounds: of auth roles, and of roles themselves."""
BESIDE: dict[str, Any] = {
    "warnings": {
        "type": "array",
        "items": {"$ref": f"#/components/schemas/{CAUTION.name}"},
        "description": "In the answer to a PUT, when there are any; ignored in a PUT.",
    },
    "azure": {
        "type": "array",
        "items": {"oneOf": [{"$ref": f"#/components/schemas/{each.name}"} for each in (EXISTING, MATCHING)]},
        "description": "In the answer to a dry run: what Azure has of the bounds. Ignored in a PUT.",
    },
}
"""What an answer has beside the document."""
_NAMED = {"name": NAME | {"description": "Given in answers; taken in a PUT when it is the path's."}}
_WORDS = "|".join(dict.fromkeys(each.partition("/")[0] for each in ASKED))
_PATH = {"type": "string", "maxLength": 256, "pattern": f"^({_WORDS})(/[^/]+)*$"}
_VALUE = {"type": "string", "minLength": 1, "maxLength": LONGEST_PARAMETER_VALUE, "pattern": "[^*]"}
_RULE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": _PATH | {"description": "As the API's paths: `roles/web-*/leases`. `*`: one or more characters in a segment."},
        "capabilities": list_of(
            {"type": "string", "enum": [*CAPABILITIES, DENY]},
            len(CAPABILITIES) + 1,
            "What callers may do there. `deny` stands alone, and wins over every other rule.",
        ),
        "parameters": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_PARAMETERS,
            "propertyNames": {"pattern": f"^{PARAMETER_NAME}$"},
            "additionalProperties": list_of(_VALUE, MAX_PARAMETER_VALUES, "Exact values, or patterns."),
            "description": "The rule speaks only of asks to issue that have one of the values of each parameter. It stands"
            " where the capability is `issue` alone, or `deny`. `*`: one or more characters, with another one beside it.",
        },
    },
    "required": ["path", "capabilities"],
    "additionalProperties": False,
}
_TEST: dict[str, Any] = {
    "type": "object",
    "description": "A question, and the answer that is expected. `ask`: `issue roles/web/leases`.",
    "properties": {
        "caller": {"type": "object"},
        "ask": {"type": "string"},
        "within": {"type": "string", "description": "A scope, beside an ask to issue. It changes no decision."},
        PARAMETERS.name: {**PARAMETERS.schema, "description": "The values of an ask to issue."},
        "expect": {"type": "string", "enum": ["allowed", "denied", "unknown"]},
        "by": {"type": "string"},
    },
    "required": ["caller", "ask", "expect"],
    "additionalProperties": False,
}


def access_schemas() -> dict[str, Any]:
    """Returns them by the names under which the contract tells of them."""
    auth_role = {
        "type": "object",
        "description": "Which callers, and the policies that they get. Every `bound_` kind that is present must match, any"
        " value within a kind does; at least one kind must be there.",
        "properties": {
            **_NAMED,
            **BOUNDS,
            "policies": {
                "type": "array",
                "items": NAME,
                "maxItems": MAX_POLICIES,
                "default": [],
                "description": "By name. Each must be there when it is named.",
            },
            **BESIDE,
        },
        "anyOf": [{"required": [kind]} for kind in BOUNDS if kind != Constraint.TENANT_IDS],
        "additionalProperties": False,
    }
    policy = {
        "type": "object",
        "description": "What callers may do.",
        "properties": {**_NAMED, "rules": list_of(_RULE, MAX_RULES, "In any order."), **BESIDE},
        "required": ["rules"],
        "additionalProperties": False,
    }
    return {"AuthRole": auth_role, "Policy": policy, "EventRule": event_rule_schema(), "Configuration": _configuration()}


def _configuration() -> dict[str, Any]:
    sections = {"roles": "Role", "auth_roles": "AuthRole", "policies": "Policy", "event_rules": "EventRule"}
    return {
        "type": "object",
        "description": "All documents by name. A section may be left out.",
        "properties": {
            "form": {"const": FORM},
            **{
                section: {
                    "type": "object",
                    "propertyNames": NAME,
                    "additionalProperties": {"$ref": f"#/components/schemas/{schema}"},
                }
                for section, schema in sections.items()
            },
            "tests": {
                "type": "array",
                "items": _TEST,
                "maxItems": MAX_TESTS,
                "description": "Run against the configuration that an import would make, and not stored. Never exported.",
            },
            "partial": {"type": "boolean", "default": False, "description": "Whether it is a page of several."},
            "next": {"type": ["string", "null"], "description": "The `cursor` of the next page of an export."},
        },
        "required": ["form"],
        "additionalProperties": False,
    }
