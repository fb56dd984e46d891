"""Who calls, and what the permissions in the token allow.

Permissions follow the tables of Graph's reference, https://learn.microsoft.com/graph/api/overview, an operation each.
An application's permissions are the token's ``roles``. A user's are the token's ``scp``, within what that user may do:
anything for an administrator, otherwise reading, and changing what the user owns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.engine.tokens import TokenRefused
from local.cloud.graph import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure

OWNED = "Application.ReadWrite.OwnedBy"
EVERY = "Application.ReadWrite.All"

READ_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
READ_APPLICATIONS = ("Application.Read.All", EVERY, OWNED, *READ_DIRECTORY)
"""``OwnedBy`` may list and read every application and service principal: only its changes are confined."""
READ_DELETED_APPLICATIONS = ("Application.Read.All", EVERY, *READ_DIRECTORY)
"""``OwnedBy`` does not reach the recycle bin's lists: https://learn.microsoft.com/graph/api/directory-deleteditems-list."""
CHANGE_APPLICATIONS = (OWNED, EVERY)
ASSIGN_APP_ROLES = ("AppRoleAssignment.ReadWrite.All",)
READ_TO_ASSIGN_APP_ROLES = ("Application.Read.All", EVERY, *READ_DIRECTORY)
"""Beside it, and without ``OwnedBy``: https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignedto."""
READ_GRANTS = ("DelegatedPermissionGrant.Read.All", "DelegatedPermissionGrant.ReadWrite.All", *READ_DIRECTORY)
CHANGE_GRANTS = ("DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All")
READ_GROUPS = (
    "Group.Read.All",
    "Group.ReadWrite.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    *READ_DIRECTORY,
)
CREATE_GROUPS = ("Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All")
CHANGE_GROUPS = ("Group.ReadWrite.All", "Directory.ReadWrite.All")
CHANGE_MEMBERS = ("GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All")
CHANGE_ASSIGNABLE_GROUPS = ("RoleManagement.ReadWrite.Directory",)
READ_USERS = ("User.Read.All", "User.ReadWrite.All", *READ_DIRECTORY)
CHANGE_USERS = ("User.ReadWrite.All", "Directory.ReadWrite.All")
READ_USERS_BASICALLY = ("User.ReadBasic.All", *READ_USERS)
READ_EVERY_APPLICATION = ("Application.Read.All", EVERY, *READ_DIRECTORY)
"""Without ``OwnedBy``: the reference does not name it for ``getMemberGroups``."""
READ_SELF = ("User.Read", "User.ReadWrite", *READ_USERS)
READ_ORGANIZATION = ("Organization.Read.All", "Organization.ReadWrite.All", "User.Read.All", *READ_DIRECTORY)

_AS_USER = "Directory.AccessAsUser.All"
_ADMINISTRATORS = frozenset(
    {
        "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    }
)
"""Template ids of directory roles, https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller. ``object_id`` is the service principal's, or the user's when ``delegated``."""

    object_id: str
    app_id: str
    permissions: frozenset[str]
    delegated: bool = False
    administrator: bool = False

    def holds(self, permissions: Sequence[str]) -> bool:
        """Whether any of these permissions was granted."""
        return not self.permissions.isdisjoint(permissions) or (self.delegated and _AS_USER in self.permissions)

    def require(self, permissions: Sequence[str]) -> None:
        """Refuses unless one of these permissions was granted."""
        if not self.holds(permissions):
            raise errors.denied()

    @property
    def unconfined(self) -> bool:
        """Whether changes of applications and service principals reach beyond what the caller owns."""
        return self.administrator if self.delegated else EVERY in self.permissions

    def require_change(self, owners: Sequence[str]) -> None:
        """Refuses to change an application or service principal with these owners unless the caller may."""
        self.require(CHANGE_APPLICATIONS)
        if not self.unconfined and self.object_id not in owners:
            raise errors.denied()

    def require_group_change(self, owners: Sequence[str], permissions: Sequence[str]) -> None:
        """Refuses to change a group with these owners unless the caller may."""
        self.require(permissions)
        if self.delegated and not self.administrator and self.object_id not in owners:
            raise errors.denied()

    def require_administration(self, permissions: Sequence[str]) -> None:
        """Refuses what a user without a directory role may never do, whatever the application was granted."""
        self.require(permissions)
        if self.delegated and not self.administrator:
            raise errors.denied()


def identify(world: LocalAzure, call: HttpRequest) -> Caller:
    """The caller that the bearer token proves; refuses with 401."""
    if not call.bearer:
        raise errors.unauthenticated("Access token is empty.")
    try:
        claims = world.tokens.verify(call.bearer, _audiences(call))
    except TokenRefused as refused:
        raise errors.unauthenticated(_sentence(str(refused))) from refused
    return _caller(claims)


def _audiences(call: HttpRequest) -> tuple[str, ...]:
    return ("https://graph.microsoft.com", errors.GRAPH_APP_ID, *((call.origin,) if call.origin else ()))


def _caller(claims: Mapping[str, Any]) -> Caller:
    delegated = "scp" in claims
    granted = str(claims["scp"]).split() if delegated else claims.get("roles", ())
    return Caller(
        object_id=str(claims.get("oid", "")),
        app_id=str(claims.get("appid") or claims.get("azp") or ""),
        permissions=frozenset(granted),
        delegated=delegated,
        administrator=not _ADMINISTRATORS.isdisjoint(claims.get("wids", ())),
    )


def _sentence(reason: str) -> str:
    if "audience" in reason:
        return "Access token validation failure. Invalid audience."
    if "expired" in reason:
        return "Lifetime validation failed, the token is expired."
    if "issuer" in reason.lower():
        return "Access token validation failure. Invalid issuer."
    return f"Invalid token: {reason}."
