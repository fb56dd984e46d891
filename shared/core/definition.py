"""What a role definition of Azure lets its holder do, as far as the broker judges it. Pure.

In the patterns of actions, ``*`` stands for anything, segments included. Upper and lower case are the same:
https://learn.microsoft.com/azure/role-based-access-control/role-definitions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Final

from shared.core.blob_rights import DELEGATE, letters_of
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

READ_PERMISSIONS: Final = "Microsoft.Authorization/permissions/read"
"""The holder of this action may ask Resource Manager what it may do at a scope."""
LIST_CONTAINERS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
READ_BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
LIST_SECRETS: Final = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
STORAGE_DATA: Final = "Microsoft.Storage/"
VAULT_DATA: Final = "Microsoft.KeyVault/"
_DIGEST_LENGTH = 16
"""Hexadecimal digits. Whoever writes a definition may choose two that look alike, and deceives itself alone."""
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

    def covers_data(self, action: str) -> bool:
        """Returns whether the entry allows this data action."""
        allowed = any(_allowing(pattern).fullmatch(action) for pattern in self.data_actions)
        return allowed and not any(_expression(pattern).fullmatch(action) for pattern in self.not_data_actions)

    def has_data_of(self, provider: str) -> bool:
        """Returns whether the entry names data actions that may be of this provider (``Microsoft.Storage/``)."""
        return any(_may_begin_with(pattern, provider) for pattern in self.data_actions)

    @property
    def digest(self) -> str:
        """Returns a digest of all that it allows and takes back, whatever the order and the case: 16 hexadecimal digits."""
        lists = (self.actions, self.not_actions, self.data_actions, self.not_data_actions)
        written = json.dumps([sorted({each.lower() for each in some}) for some in lists])
        return sha256(written.encode()).hexdigest()[:_DIGEST_LENGTH]

    @property
    def only_reads(self) -> bool:
        """Returns whether the entry allows nothing but to read from Resource Manager."""
        return not self.data_actions and all(action.casefold().endswith("/read") for action in self.actions)

    @property
    def changes(self) -> bool:
        """Returns whether the entry allows more than to read settings and data."""
        patterns = (each.casefold() for each in (*self.actions, *self.data_actions))
        return not all(each.endswith("/read") or each in _READING_ACTIONS for each in patterns)


def guid_of(definition_id: str) -> str:
    """Returns the GUID of a role definition's full id: its name, whatever scope the id begins with."""
    return definition_id.rpartition("/")[2].lower()


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
    sees: tuple[str, ...] = ()
    """By what its assignment can be seen to count: those of ``READ_PERMISSIONS``, ``LIST_CONTAINERS``, ``READ_BLOBS`` and
    ``LIST_SECRETS`` that it allows, and ``STORAGE_DATA`` and ``VAULT_DATA`` if it has data actions of those."""
    entries: tuple[str, ...] = ()
    """The digests of its entries, sorted: what Resource Manager lists where it is assigned."""
    changes: bool = True
    """Whether it lets its holder change something. True of definitions that an older version has read: nobody knows."""
    blobs: str = ""
    """What it lets its holder do with blobs: letters of ``shared.core.blob_rights``."""
    delegates: bool = False
    """Whether, assigned at a storage account or above, it gives keys that sign such letters."""

    def judged_like(self, other: Powers) -> bool:
        """Returns whether both are the same, but for how their assignments can be seen, for ``changes``, and for blobs."""
        mine, others = (replace(each, sees=(), entries=(), changes=True, blobs="", delegates=False) for each in (self, other))
        return mine == others


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
        return guid_of(self.id)

    @property
    def powers(self) -> Powers:
        """Returns what the broker judges."""
        return Powers(
            tuple(action for action in GIVING_ROLES if allows(self.permissions, action)),
            allows(self.permissions, ASSIGN_IDENTITY),
            all(permission.only_reads for permission in self.permissions),
            tuple(_sights(self.permissions)),
            tuple(sorted({permission.digest for permission in self.permissions})),
            any(permission.changes for permission in self.permissions),
            letters_of(lambda action: any(each.covers_data(action) for each in self.permissions)),
            allows(self.permissions, DELEGATE),
        )

    def is_assignable_at(self, scope: Scope) -> bool:
        """Returns whether its scopes alone allow it. Only Azure knows what lies in a management group."""
        key = scope.key + "/"
        return any(key.startswith(each.casefold().rstrip("/") + "/") for each in self.assignable_scopes)


def _sights(permissions: tuple[Permission, ...]) -> Iterator[str]:
    """Yields what ``Powers.sees`` holds."""
    yield from (action for action in (READ_PERMISSIONS, LIST_CONTAINERS) if allows(permissions, action))
    for action in (READ_BLOBS, LIST_SECRETS):
        if any(each.covers_data(action) for each in permissions):
            yield action
    for provider in (STORAGE_DATA, VAULT_DATA):
        if any(each.has_data_of(provider) for each in permissions):
            yield provider


def _may_begin_with(pattern: str, provider: str) -> bool:
    """Returns whether an action that fits the pattern may begin so."""
    fixed, star, _ = pattern.lower().partition("*")
    return fixed.startswith(provider.lower()) or (bool(star) and provider.lower().startswith(fixed))


@lru_cache(maxsize=4096)
def _allowing(pattern: str) -> re.Pattern[str]:
    """A star that is a whole segment may stand for no segment: Managed Identity Operator has ``.../*/assign/action``."""
    return re.compile(_expression(pattern).pattern.replace("/.*/", "/(?:.*/)?"), re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.IGNORECASE | re.DOTALL)
