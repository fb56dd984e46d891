"""What roles of this kind look like, for the contract."""

from __future__ import annotations

from shared.core.access.wanted import MAX_PARAMETERS, PARAMETER_NAME
from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.condition import MAX_CONDITION
from shared.core.parameters.kinds import KINDS
from shared.core.parameters.parameter import FIELD, MAX_ALLOWED
from shared.core.parameters.source import Fact
from shared.issuers.service_principal.choice import MAX_FEDERATED_IDENTITIES, MAX_TOKEN_SCOPES, NAMES, TOKEN_SCOPE
from shared.issuers.service_principal.schema import AUDIENCES, MAX_AZURE_GROUPS, MAX_TAGS
from shared.kinds.fragment import CLIENT_SECRET, Fragment, identity_fields, list_of

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
_OF_ALL = ["credential", "tenant_id", "client_id", "object_id"]
_TOKEN = {
    "description": "An access token. Ask again for a fresh one: a request under the same key changes nothing in Azure.",
    "properties": {
        **identity_fields("token"),
        "access_token": _TEXT | {"description": "The token."},
        "token_type": {"const": "Bearer"},
        "scope": _TEXT | {"description": "What it is for."},
        "token_expires_at": _TEXT | {"format": "date-time", "description": "The token's own end: nobody can revoke it."},
    },
    "required": [*_OF_ALL, "access_token", "token_type", "scope", "token_expires_at"],
}
_FEDERATED = {
    "description": "Nothing to keep secret: the application takes the workload's own tokens.",
    "properties": {
        **identity_fields("federated"),
        "issuer": _TEXT | {"description": "The `iss` of the tokens."},
        "subject": _TEXT | {"description": "Their `sub`."},
        "audience": _TEXT | {"description": "Their `aud`."},
        "retry_on": {
            "type": "array",
            "items": _TEXT,
            "description": "What Entra ID answers until all of it knows the credential: try again.",
        },
    },
    "required": [*_OF_ALL, "issuer", "subject", "audience", "retry_on"],
}
_CERTIFICATE = {
    "description": "Nothing to keep secret: the application takes what the certificate's key has signed.",
    "properties": {
        **identity_fields("certificate"),
        "key_id": _TEXT | {"format": "uuid", "description": "What names the certificate on the application."},
        "thumbprint": _TEXT | {"description": "Its SHA-256, in hexadecimal."},
        "x5t": _TEXT | {"description": "The same in base64url, as `x5t#S256` of an assertion."},
    },
    "required": [*_OF_ALL, "key_id", "thumbprint", "x5t"],
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
        "narrowing": {
            "type": "string",
            "enum": ["allow", "refuse"],
            "default": "allow",
            "description": "Whether an ask may have `within`.",
        },
        "azure_groups": list_of(_GROUP, MAX_AZURE_GROUPS, "Groups that it becomes a member of."),
        "credential": {
            "type": "string",
            "enum": [*NAMES],
            "default": "secret",
            "description": "What is handed out: a client secret; an access token; nothing, for a workload whose tokens are"
            " taken; nothing, for a certificate that the ask brings.",
        },
        "token_scopes": list_of(
            _TEXT | {"pattern": f"^{TOKEN_SCOPE}$"},
            MAX_TOKEN_SCOPES,
            "For `token`, and required there: what tokens may be for. An ask names one, or gets the first.",
        ),
        "federated_identities": list_of(
            {"$ref": "#/components/schemas/FederatedIdentity"},
            MAX_FEDERATED_IDENTITIES,
            "For `federated`: the workloads that an ask may name. Without any, only a user-assigned managed identity may ask,"
            " for itself.",
        ),
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
    schemas={"AzureRole": _AZURE_ROLE, "RoleParameter": _PARAMETER},
    other_credentials=(_TOKEN, _FEDERATED, _CERTIFICATE),
)
