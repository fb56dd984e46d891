"""What roles of this kind look like, for the contract."""

from __future__ import annotations

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
FRAGMENT = Fragment(
    type="service_principal",
    name="ServicePrincipalRole",
    description="A new application and service principal for every lease. Names `azure_roles`, `azure_groups` or both.",
    properties={
        **fields_of("Role assignments that every minted principal gets."),
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
    schemas=SCHEMAS,
)
