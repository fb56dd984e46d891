"""What roles of this kind look like, for the contract."""

from __future__ import annotations

from shared.core.access.wanted import MAX_PARAMETERS, PARAMETER_NAME
from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.condition import MAX_CONDITION
from shared.core.parameters.kinds import KINDS
from shared.core.parameters.parameter import FIELD, MAX_ALLOWED
from shared.core.parameters.source import Fact
from shared.core.readiness.observability import PROBES
from shared.core.readiness.probes import (
    LEAST_STATUS,
    MAX_EXPECTED,
    MAX_PROBES,
    MAX_URL,
    MOST_STATUS,
    STORAGE_RESOURCE,
)
from shared.issuers.service_principal.schema import AUDIENCES, MAX_AZURE_GROUPS, MAX_TAGS
from shared.kinds.fragment import CLIENT_SECRET, Fragment, list_of

_TEXT = {"type": "string"}
_GROUP = {
    "type": "object",
    "properties": {"object_id": {"type": "string", "format": "uuid"}},
    "required": ["object_id"],
    "additionalProperties": False,
}
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
_PROBE = {
    "type": "object",
    "description": "A GET that shows that the credential works. Its token goes to the cloud's own hosts alone.",
    "properties": {
        "url": _TEXT
        | {
            "format": "uri",
            "maxLength": MAX_URL,
            "description": "https, at `<account>.blob`, `.queue`, `.table` or `.dfs` of Azure Storage, at a vault, or at"
            " Resource Manager; no port, user, fragment or redirect.",
        },
        "resource": _TEXT | {"description": f"What the token is for: `{STORAGE_RESOURCE}`, `https://vault.azure.net`, ..."},
        "expect": list_of(
            {"type": "integer", "minimum": LEAST_STATUS, "maximum": MOST_STATUS},
            MAX_EXPECTED,
            "Statuses of an answer that says yes; 200 if it is left out.",
        ),
        "covers": list_of(
            {"type": "integer", "minimum": 0, "maximum": MAX_AZURE_ROLES - 1},
            MAX_AZURE_ROLES,
            "Places in `azure_roles` that it shows, none with holes. Left out: those with data actions of its service; of"
            " Resource Manager, those without data actions of storage and vaults.",
        ),
    },
    "required": ["url", "resource"],
    "additionalProperties": False,
}
FRAGMENT = Fragment(
    type="service_principal",
    name="ServicePrincipalRole",
    description="A new application and service principal for every lease. Names `azure_roles`, `azure_groups` or both.",
    properties={
        "azure_roles": list_of(
            {"$ref": "#/components/schemas/AzureRole"}, MAX_AZURE_ROLES, "Role assignments that every minted principal gets."
        ),
        FIELD: {
            "type": "object",
            "description": "What fills the holes: `{name}`, a whole segment of a scope or a whole literal of a condition.",
            "minProperties": 1,
            "maxProperties": MAX_PARAMETERS,
            "propertyNames": {"pattern": f"^{PARAMETER_NAME}$"},
            "additionalProperties": {"$ref": "#/components/schemas/RoleParameter"},
        },
        "ready": {
            "type": "string",
            "enum": ["none", "token", "access"],
            "default": "token",
            "description": "As for every role; `access`: all that shows that its assignments count is read as well, twenty"
            " times at least. Each assignment must show itself, or be covered by one of `ready_probes`.",
        },
        PROBES: list_of(
            {"$ref": "#/components/schemas/ReadyProbe"},
            MAX_PROBES,
            "With `ready: access`: what else is read with the credential before it is handed over.",
        ),
        "narrowing": {
            "type": "string",
            "enum": ["allow", "refuse"],
            "default": "allow",
            "description": "Whether an ask may have `within`.",
        },
        "azure_groups": list_of(_GROUP, MAX_AZURE_GROUPS, "Groups that it becomes a member of."),
        "credential": {"const": "secret", "default": "secret", "description": "What it signs in with."},
        "pool": {
            "type": "object",
            "description": "Principals are made when they are asked for.",
            "properties": {"size": {"const": 0}},
            "additionalProperties": False,
        },
        "tags": list_of(
            _TEXT | {"minLength": 1, "maxLength": 256}, MAX_TAGS, "On the application, beside `leasehold`; each once."
        ),
        "sign_in_audience": {
            "type": "string",
            "enum": list(AUDIENCES),
            "default": AUDIENCES[0],
            "description": "As Entra ID has it. With personal accounts the role's name has at most 53 characters.",
        },
        "permanently_delete": {
            "type": "boolean",
            "default": True,
            "description": "Also out of the recycle bin when a lease ends.",
        },
    },
    required=(),
    credential=CLIENT_SECRET,
    found=("application", "recycled", "assignment"),
    schemas={"AzureRole": _AZURE_ROLE, "ReadyProbe": _PROBE, "RoleParameter": _PARAMETER},
)
