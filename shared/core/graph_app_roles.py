"""Application permissions of Microsoft Graph that a role's principals get, and those that none ever gets. Pure.

Microsoft Graph calls them app roles. They stand in the access tokens that Entra ID issues for Graph, in the claim ``roles``,
and count until the token's end. https://learn.microsoft.com/graph/permissions-overview
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.core.names import ObjectId, Unparsable

FIELD = "graph_app_roles"
SETTING = "LEASEHOLD_GRAPH_APP_ROLES"
MAX_GRAPH_APP_ROLES = 16
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,119}(\.[A-Za-z0-9_-]{1,120}){0,4}"
_NAME = re.compile(NAME)
_NEVER = (
    # Each of them lets its holder give itself, or others, any other right in the tenant.
    *("RoleManagement.*", "AppRoleAssignment.*", "Application.ReadWrite.*", "Directory.ReadWrite.All", "Policy.ReadWrite.*"),
    *("*.AccessAsUser.All", "full_access_as_app", "PrivilegedAccess.*"),
    # What RoleManagement.* and PrivilegedAccess.* give, under newer names.
    *("RoleAssignmentSchedule.*", "RoleEligibilitySchedule.*", "RoleManagementPolicy.*"),
    *("PrivilegedAssignmentSchedule.*", "PrivilegedEligibilitySchedule.*"),
)
"""https://learn.microsoft.com/graph/permissions-reference. A ``*`` is any text."""


@dataclass(frozen=True, slots=True)
class GraphAppRole:
    """One permission. The ids are known once it was looked up: its own, and that of Graph's service principal in the tenant."""

    name: str
    id: ObjectId | None = None
    resource: ObjectId | None = None


@dataclass(frozen=True, slots=True)
class OfferedAppRoles:
    """What Graph's service principal in the tenant offers to applications. ``ids``: by the names of permissions."""

    resource: ObjectId
    ids: dict[str, ObjectId]


def is_forbidden(name: str) -> bool:
    """Returns whether no role may ever have the permission, in whatever case it is written."""
    return any(fnmatchcase(name.casefold(), each.casefold()) for each in _NEVER)


def names_of(app_roles: Iterable[GraphAppRole]) -> tuple[str, ...]:
    """Returns the names, in order."""
    return tuple(each.name for each in app_roles)


def parse_name(text: str) -> str:
    """Returns the name of one permission. Raises ``Unparsable``."""
    if _NAME.fullmatch(text) is None:
        raise Unparsable("expected the name of an application permission of Microsoft Graph, such as User.Read.All")
    return text
