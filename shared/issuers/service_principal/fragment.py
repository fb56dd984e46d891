"""What roles of this kind look like, for the contract."""

from __future__ import annotations

from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.blob_rights import LETTERS
from shared.core.graph_app_roles import FIELD as GRAPH_APP_ROLES
from shared.core.graph_app_roles import MAX_GRAPH_APP_ROLES
from shared.core.graph_app_roles import NAME as GRAPH_APP_ROLE
from shared.core.pool import DEFAULT_AGE, MAX_AGE, MAX_SIZE, MIN_AGE
from shared.core.readiness.observability import PROBES
from shared.core.readiness.probes import (
    LEAST_STATUS,
    MAX_EXPECTED,
    MAX_PROBES,
    MAX_URL,
    MOST_STATUS,
    STORAGE_RESOURCE,
)
from shared.issuers.service_principal.choice import MAX_FEDERATED_IDENTITIES, MAX_TOKEN_SCOPES, NAMES, TOKEN_SCOPE
from shared.issuers.service_principal.schema import AUDIENCES, MAX_AZURE_GROUPS, MAX_TAGS
from shared.kinds.azure_roles_fragment import SCHEMAS, fields_of
from shared.kinds.fragment import CLIENT_SECRET, DELIVERY, Fragment, identity_fields, list_of

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
_POOL = {
    "type": "object",
    "description": "Leases that are made before anybody asks, without a credential.",
    "properties": {
        "size": {"type": "integer", "minimum": 0, "maximum": MAX_SIZE, "default": 0, "description": "How many stand ready."},
        "max_age": {
            "oneOf": [
                {"type": "integer", "minimum": MIN_AGE, "maximum": MAX_AGE},
                {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"},
            ],
            "default": DEFAULT_AGE,
            "description": "For how long one waits to be claimed before another is made in its place: 60 seconds to 30 days.",
        },
        "assigned": {
            "type": "boolean",
            "description": "Whether the role's assignments and memberships are made ahead as well. If it is left out: not if a"
            " definition lets its holder change anything, and not if the role has parameters.",
        },
    },
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
        "hopeless_on": {
            "type": "array",
            "items": _TEXT,
            "description": "For a managed identity: what Entra ID answers for ever if the identity's own token was itself got"
            " through federation, as that of a pod with workload identity is. Federate the pod's own issuer and subject then.",
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
_STORAGE_SAS = {
    "description": "A user delegation SAS for a container of blobs: an address that needs no sign-in. Ask again for a fresh"
    " one: a request under the same key changes nothing in Azure.",
    "properties": {
        **identity_fields("storage_sas"),
        "account_url": _TEXT | {"format": "uri", "description": "The address of the account's blobs."},
        "container": _TEXT | {"description": "What it is for."},
        "permissions": _TEXT
        | {
            "pattern": f"^[{''.join(LETTERS)}]+$",
            "description": "Letters, as Azure has them. What the principal's roles do not allow at the time of use, they do not"
            " give.",
        },
        "sas_token": _TEXT | {"description": "What Azure's clients take as a credential."},
        "url": _TEXT | {"format": "uri", "description": "The container's address, with the token."},
        "sas_expires_at": _TEXT | {"format": "date-time", "description": "The signature's own end: seven days at most."},
    },
    "required": [*_OF_ALL, "account_url", "container", "permissions", "sas_token", "url", "sas_expires_at"],
}
FRAGMENT = Fragment(
    type="service_principal",
    name="ServicePrincipalRole",
    description="A new application and service principal for every lease. Names `azure_roles`, `azure_groups` or"
    " `graph_app_roles`.",
    properties={
        "delivery": DELIVERY,
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
        GRAPH_APP_ROLES: list_of(
            _TEXT | {"pattern": f"^{GRAPH_APP_ROLE}$"},
            MAX_GRAPH_APP_ROLES,
            "Application permissions of Microsoft Graph that it gets: only those that the operator allows, and written by"
            " `Leasehold.Admin` alone. Tokens carry them until they expire, whatever becomes of the lease.",
        ),
        "credential": {
            "type": "string",
            "enum": [*NAMES],
            "default": "secret",
            "description": "What is handed out: a client secret; an access token; nothing, for a workload whose tokens are"
            " taken; nothing, for a certificate that the ask brings; a signed address of a container of blobs.",
        },
        "token_scopes": list_of(
            _TEXT | {"pattern": f"^{TOKEN_SCOPE}$"},
            MAX_TOKEN_SCOPES,
            "For `token`, and required there: what tokens may be for. An ask names one, or gets the first. Microsoft Graph"
            " only with `graph_app_roles`.",
        ),
        "federated_identities": list_of(
            {"$ref": "#/components/schemas/FederatedIdentity"},
            MAX_FEDERATED_IDENTITIES,
            "For `federated`: the workloads that an ask may name. Without any, only a user-assigned managed identity may ask,"
            " for itself.",
        ),
        "pool": _POOL,
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
    other_credentials=(_TOKEN, _FEDERATED, _CERTIFICATE, _STORAGE_SAS),
)
