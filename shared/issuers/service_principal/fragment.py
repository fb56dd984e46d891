"""What roles of this kind look like, for the contract."""

from __future__ import annotations

from shared.core.azure_role import MAX_AZURE_ROLES
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
from shared.kinds.azure_roles_fragment import SCHEMAS, fields_of
from shared.kinds.fragment import CLIENT_SECRET, Fragment, list_of

_TEXT = {"type": "string"}
_GROUP = {
    "type": "object",
    "properties": {"object_id": {"type": "string", "format": "uuid"}},
    "required": ["object_id"],
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
        **fields_of("Role assignments that every minted principal gets."),
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
    schemas=SCHEMAS | {"ReadyProbe": _PROBE},
)
