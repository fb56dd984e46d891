"""Of which type properties are, as far as filters compare them and bodies bring them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

STRING = "Edm.String"
BOOLEAN = "Edm.Boolean"
NUMBER = "Edm.Int32"
INSTANT = "Edm.DateTimeOffset"
DATE = "Edm.Date"
GUID = "Edm.Guid"


@dataclass(frozen=True, slots=True)
class Of:
    """In the place of a property's default: its type, where the name alone does not tell it."""

    kind: str


_OBJECTS = frozenset(
    {"certification", "optionalClaims", "requestSignatureVerification", "samlSingleSignOnSettings"}
    | {"servicePrincipalLockConfiguration"}
)
"""What is complex although it is ``null`` while nobody has set it."""
_OTHERS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("acceptMappedClaims", "isAssignableToRole", "isDeviceOnlyAuthSupported", "isEnabled"),
            *("isFallbackPublicClient", "isManagementRestricted", "onPremisesSyncEnabled"),
        ),
        BOOLEAN,
    ),
    **dict.fromkeys(("requestedAccessTokenVersion", "index"), NUMBER),
    **dict.fromkeys(
        (
            *("addedDateTime", "createdDateTime", "deletedDateTime", "endDateTime", "expirationDateTime"),
            *("onPremisesLastSyncDateTime", "renewedDateTime", "startDateTime"),
        ),
        INSTANT,
    ),
    **dict.fromkeys(("appOwnerOrganizationId", "appRoleId", "keyId", "tokenEncryptionKeyId"), GUID),
}
"""What is no text although it is ``null`` while nobody has set it."""

COMPLEX: Mapping[str, Mapping[str, Any]] = {
    "servicePrincipalLockConfiguration": dict.fromkeys(
        (
            *("allProperties", "credentialsWithUsageSign", "credentialsWithUsageVerify", "isEnabled"),
            "tokenEncryptionKeyId",
        ),
        Of(BOOLEAN),
    )
}
"""What a complex property has that is ``null`` while nobody has set it:
https://learn.microsoft.com/graph/api/resources/serviceprincipallockconfiguration."""

_SCOPE = ("adminConsentDescription", "adminConsentDisplayName", "userConsentDescription", "userConsentDisplayName")
_SECRET = ("customKeyIdentifier", "displayName", "endDateTime", "keyId", "startDateTime")
ELEMENTS: Mapping[str, Mapping[str, Any]] = {
    "addIns": {"id": None, "type": None, "properties": []},
    "appRoles": {
        **dict.fromkeys(("description", "displayName", "id", "isEnabled", "origin", "value")),
        "allowedMemberTypes": [],
    },
    "keyCredentials": dict.fromkeys((*_SECRET, "key", "type", "usage")),
    "oauth2PermissionScopes": dict.fromkeys((*_SCOPE, "id", "isEnabled", "origin", "type", "value")),
    "onPremisesProvisioningErrors": dict.fromkeys(("category", "propertyCausingError", "value")),
    "passwordCredentials": dict.fromkeys((*_SECRET, "hint", "secretText")),
    "preAuthorizedApplications": {"appId": None, "delegatedPermissionIds": []},
    "properties": dict.fromkeys(("key", "value")),
    "redirectUriSettings": dict.fromkeys(("index", "uri")),
    "requiredResourceAccess": {"resourceAppId": None, "resourceAccess": []},
    "resourceAccess": dict.fromkeys(("id", "type")),
    "resourceSpecificApplicationPermissions": dict.fromkeys(("description", "displayName", "id", "isEnabled", "value")),
    "serviceProvisioningErrors": dict.fromkeys(("isResolved", "serviceInstance")),
}
"""What the elements of a collection have; those of every other collection are texts."""

GUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WHOLE = re.compile(r"-?\d+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def of(name: str, default: Any) -> str | None:
    """The type of a property that is this while nobody has set it; ``None`` for a complex one."""
    if isinstance(default, Of):
        return default.kind
    if isinstance(default, list):
        return f"Collection({STRING})"
    if isinstance(default, dict) or name in _OBJECTS:
        return None
    if isinstance(default, bool):
        return BOOLEAN
    return STRING if default is not None else _OTHERS.get(name, STRING)


def of_path(known: Mapping[str, Any], path: str) -> str | None:
    """The same for a path such as ``web/homePageUrl``, or ``appRoles[]/value`` in an element of a collection."""
    name, default = "", None
    for step in path.split("/"):
        name = step.removesuffix("[]")
        default = known[name]
        if step != name:
            default = ELEMENTS.get(name, "")
        known = default if isinstance(default, dict) else {}
    return of(name, default)


def of_literal(word: str) -> str | None:
    """The type of what a filter compares with; ``None`` for ``null``, and for what is no literal."""
    if word.startswith("'"):
        return STRING
    if word.lower() in ("true", "false"):
        return BOOLEAN
    patterns = {GUID_TEXT: GUID, _DAY: DATE, _WHOLE: NUMBER}
    if found := next((kind for pattern, kind in patterns.items() if pattern.fullmatch(word)), None):
        return found
    return INSTANT if is_instant(word) else None


def compares(kind: str | None, literal: str | None) -> bool:
    """Whether a property of that type may be compared with such a literal. Where Azure takes a GUID it may be quoted."""
    return literal is None or literal == kind or (kind, literal) in {(INSTANT, DATE), (GUID, STRING)}


def holds(kind: str | None, value: Any) -> bool:
    """Whether a property of that type may be given such a value."""
    if value is None:
        return True
    if kind == NUMBER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == INSTANT:
        return isinstance(value, str) and is_instant(value)
    if kind == GUID:
        return isinstance(value, str) and GUID_TEXT.fullmatch(value) is not None
    return isinstance(value, {BOOLEAN: bool, None: dict}.get(kind, str))


_GUIDS = frozenset(
    {
        *(("addIns", "id"), ("api", "knownClientApplications"), ("appRoles", "id"), ("oauth2PermissionScopes", "id")),
        *(("preAuthorizedApplications", "appId"), ("preAuthorizedApplications", "delegatedPermissionIds")),
        *(("requiredResourceAccess", "resourceAppId"), ("resourceAccess", "id")),
    }
)
"""What is or lists GUIDs: https://learn.microsoft.com/graph/api/resources/application and the types that it names."""
_VERSIONS = (None, 1, 2)
"""https://learn.microsoft.com/graph/api/resources/apiapplication."""


def allows(resource: str, name: str, value: Any) -> bool:
    """Whether a property, by its path such as ``Application.api``, may have this value among those of its type."""
    owner = resource.rpartition(".")[2]
    if (owner, name) == ("api", "requestedAccessTokenVersion"):
        return value in _VERSIONS
    if (owner, name) not in _GUIDS or value is None:
        return True
    return all(GUID_TEXT.fullmatch(item) for item in (value if isinstance(value, list) else [value]))


def is_instant(text: str) -> bool:
    """Whether it is a point in time with its zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
