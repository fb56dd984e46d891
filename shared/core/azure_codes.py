"""What Azure's error codes mean, and so what becomes of a call that was refused: by status and code, never by message text.

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

type Codes = Mapping[str, type[Upstream]]
type Statuses = Mapping[int, type[Upstream]]

_CLIENT_ERROR = 400
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408
_CONFLICT = 409
_TOO_MANY = 429
_SERVER_ERROR = 500

NOT_FOUND_IS_ABSENT: Final[Statuses] = {_NOT_FOUND: Absent}
"""What a status means to a service of which no more is known."""

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
"""Of answers without a code from the table. A 404 proves an absence only where its code says what is absent: a subscription
that the broker has lost, and a management group that it may not see, are "not found" as well."""

GRAPH: Final[Codes] = {
    "Directory_ConcurrencyViolation": ConcurrentChange,
    "Directory_ResourceSizeExceeded": Full,
    "ObjectConflict": AlreadyExists,
    "Request_MultipleObjectsWithSameKeyValue": AlreadyExists,
    "NoBackingApplicationObject": NotReplicated,
    "Request_ResourceNotFound": Absent,
}
"""https://learn.microsoft.com/graph/errors. Codes within ``details`` count as well."""

GRAPH_STATUSES: Final[Statuses] = {**NOT_FOUND_IS_ABSENT, _CONFLICT: AlreadyExists}
"""As ``RESOURCE_MANAGER_STATUSES``: the directory is one, and the broker sees all of it."""


def meaning(status: int, codes: Iterable[str], known: Codes, statuses: Statuses) -> type[Upstream]:
    """What a refusal means: being throttled first, then the first code that is known, then the status."""
    if status == _TOO_MANY:
        return Throttled
    told = next((known[code] for code in codes if code in known), None)
    return told or statuses.get(status) or _by_status(status)


def _by_status(status: int) -> type[Upstream]:
    definite = _CLIENT_ERROR <= status < _SERVER_ERROR and status != _REQUEST_TIMEOUT
    return Refused if definite else Unavailable
