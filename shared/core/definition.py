"""What a role definition of Azure lets its holder do, as far as the broker judges it. Pure.

In the patterns of actions, ``*`` stands for anything, segments included. Upper and lower case are the same:
https://learn.microsoft.com/azure/role-based-access-control/role-definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from shared.core.names import Scope

ASSIGN: Final = "Microsoft.Authorization/roleAssignments/write"
UNASSIGN: Final = "Microsoft.Authorization/roleAssignments/delete"
GIVING_ROLES: Final = (
    ASSIGN,
    "Microsoft.Authorization/roleDefinitions/write",
    "Microsoft.Authorization/elevateAccess/action",
    "Microsoft.Authorization/roleAssignmentScheduleRequests/write",
    "Microsoft.Authorization/roleEligibilityScheduleRequests/write",
)
"""The holder of one of these actions can give roles to anybody. With the last two, it does so through Privileged Identity
Management (https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance)."""
ASSIGN_IDENTITY: Final = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
"""The holder of this action can act as the identity if it may run code on a resource."""

_READING_ACTIONS = frozenset(
    {
        "microsoft.storage/storageaccounts/blobservices/generateuserdelegationkey/action",
        "microsoft.storage/storageaccounts/blobservices/containers/blobs/filter/action",
        "microsoft.keyvault/vaults/secrets/getsecret/action",
        "microsoft.keyvault/vaults/secrets/readmetadata/action",
    }
)
"""Actions that read, though they do not end with ``/read``. Storage Blob Data Reader and Key Vault Secrets User have them:
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry of ``permissions``: allowed actions, less those that are taken back. Its condition is not looked at."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def covers(self, action: str) -> bool:
        """Returns whether the entry allows this action."""
        allowed = any(_allowing(pattern).fullmatch(action) for pattern in self.actions)
        return allowed and not any(_expression(pattern).fullmatch(action) for pattern in self.not_actions)

    @property
    def only_reads(self) -> bool:
        """Returns whether the entry allows nothing but to read from Resource Manager."""
        return not self.data_actions and all(action.casefold().endswith("/read") for action in self.actions)

    @property
    def changes(self) -> bool:
        """Returns whether the entry allows more than to read settings and data."""
        patterns = (each.casefold() for each in (*self.actions, *self.data_actions))
        return not all(each.endswith("/read") or each in _READING_ACTIONS for each in patterns)


def read_at(definition_id: str, scope: Scope) -> str:
    """Returns the id under which to read a definition that is assigned at the scope.

    The broker's rights are over the scope, and rarely over the subscription or the tenant that the id begins with. An id that
    begins with another place stays as it is: the definition cannot be assigned at the scope.
    """
    head, mark, rest = definition_id.rpartition("/providers/")
    return f"{scope}{mark}{rest}" if not head or scope.within(Scope(head)) else definition_id


def allows(permissions: Iterable[Permission], action: str) -> bool:
    """Returns whether one of the entries allows the action. One entry may give what another takes back."""
    return any(permission.covers(action) for permission in permissions)


@dataclass(frozen=True, slots=True)
class Powers:
    """What the broker stores of a definition. ``gives_roles`` are those of ``GIVING_ROLES`` that it allows."""

    gives_roles: tuple[str, ...] = ()
    assigns_identities: bool = False
    only_reads: bool = False
    changes: bool = True
    """Whether it lets its holder change something. True of definitions that an older version has read: nobody knows."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A role definition: its full id, its name for people, and the scopes at which it may be assigned."""

    id: str
    name: str
    permissions: tuple[Permission, ...] = ()
    assignable_scopes: tuple[str, ...] = ("/",)

    @property
    def guid(self) -> str:
        """Returns the GUID, which is the same whichever scope the id begins with."""
        return self.id.rpartition("/")[2].lower()

    @property
    def powers(self) -> Powers:
        """Returns what the broker judges."""
        return Powers(
            tuple(action for action in GIVING_ROLES if allows(self.permissions, action)),
            allows(self.permissions, ASSIGN_IDENTITY),
            all(permission.only_reads for permission in self.permissions),
            any(permission.changes for permission in self.permissions),
        )

    def is_assignable_at(self, scope: Scope) -> bool:
        """Returns whether its scopes alone allow it. Only Azure knows what lies in a management group."""
        key = scope.key + "/"
        return any(key.startswith(each.casefold().rstrip("/") + "/") for each in self.assignable_scopes)


@lru_cache(maxsize=4096)
def _allowing(pattern: str) -> re.Pattern[str]:
    """A star that is a whole segment may stand for no segment: Managed Identity Operator has ``.../*/assign/action``."""
    return re.compile(_expression(pattern).pattern.replace("/.*/", "/(?:.*/)?"), re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.IGNORECASE | re.DOTALL)
