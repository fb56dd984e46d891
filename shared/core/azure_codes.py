"""What Azure's error codes mean. Status and code decide on a refused call, never the text of the message.

``docs/problems.md`` shows these tables to operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from shared.core.errors import (
    Absent,
    AlreadyExists,
    ConcurrentChange,
    DefinitionGone,
    Full,
    Locked,
    NotReplicated,
    OutOfReach,
    Refused,
    Throttled,
    Unavailable,
    Upstream,
)
from shared.core.tenant_policy import PolicyForbids

type Codes = Mapping[str, type[Upstream]]
type Statuses = Mapping[int, type[Upstream]]

_CLIENT_ERROR = 400
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408
_CONFLICT = 409
_TOO_MANY = 429
_SERVER_ERROR = 500

NOT_FOUND_IS_ABSENT: Final[Statuses] = {_NOT_FOUND: Absent}
"""The meaning of a status, if no more is known of the service."""

RESOURCE_MANAGER: Final[Codes] = {
    "ResourceGroupNotFound": Absent,
    "ResourceNotFound": Absent,
    "ParentResourceNotFound": Absent,
    "RoleAssignmentNotFound": Absent,
    "RoleDefinitionDoesNotExist": DefinitionGone,
    "SubscriptionNotFound": OutOfReach,
    "InvalidSubscriptionId": OutOfReach,
    "RoleAssignmentExists": AlreadyExists,
    "PrincipalNotFound": NotReplicated,
    "ScopeLocked": Locked,
}
"""https://learn.microsoft.com/azure/role-based-access-control/troubleshooting and
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors."""

RESOURCE_MANAGER_STATUSES: Final[Statuses] = {_NOT_FOUND: OutOfReach}
"""For answers whose code is not in the table. A 404 proves an absence only if its code names what is absent. Resource Manager
also answers 404 for a subscription that the broker has lost, and for a management group that it may not see."""

GRAPH: Final[Codes] = {
    "CredentialInvalidLifetimeAsPerAppPolicy": PolicyForbids,
    "CredentialTypeNotAllowedAsPerAppPolicy": PolicyForbids,
    "Directory_ConcurrencyViolation": ConcurrentChange,
    "Directory_ResourceSizeExceeded": Full,
    "ObjectConflict": AlreadyExists,
    "Request_MultipleObjectsWithSameKeyValue": AlreadyExists,
    "NoBackingApplicationObject": NotReplicated,
    "Request_ResourceNotFound": Absent,
}
"""https://learn.microsoft.com/graph/errors. Codes within ``details`` count as well."""

KEY_VAULT: Final[Codes] = {
    "SecretNotFound": Absent,
    "ObjectIsDeletedButRecoverable": AlreadyExists,
    "ObjectIsBeingDeleted": NotReplicated,
    "ForbiddenByRbac": Refused,
    "ForbiddenByFirewall": Refused,
    "SecretDisabled": Refused,
}
"""https://learn.microsoft.com/azure/key-vault/general/rest-error-codes. The codes are those within ``innererror``."""

GRAPH_STATUSES: Final[Statuses] = {**NOT_FOUND_IS_ABSENT, _CONFLICT: AlreadyExists}
"""As ``RESOURCE_MANAGER_STATUSES``. But here a 404 proves an absence: the broker sees all of its one directory."""


def meaning(status: int, codes: Iterable[str], known: Codes, statuses: Statuses) -> type[Upstream]:
    """Returns the error that a refusal means. 429 decides first, then the first known code, then the status."""
    if status == _TOO_MANY:
        return Throttled
    definite = _CLIENT_ERROR <= status < _SERVER_ERROR and status != _REQUEST_TIMEOUT
    by_code = next((known[code] for code in codes if code in known), None)
    return by_code or statuses.get(status) or (Refused if definite else Unavailable)
