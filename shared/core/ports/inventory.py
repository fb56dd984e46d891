"""What leases may have left in Azure, as the reconciliation reads it. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from shared.core import ownership
from shared.core.definition import Definition
from shared.core.footprint import Assignment
from shared.core.names import LeaseId, ObjectId, Scope


class ScopeState(Enum):
    """What Azure says of a scope: whether there is such a group or resource."""

    THERE = "there"
    NO_GROUP = "no group"
    """The resource group of the scope is not there."""
    NO_RESOURCE = "no resource"
    """The group is there, and the resource is not. Azure tells this of top resources alone: a container below an account that
    is there counts as there."""
    REFUSED = "refused"
    """The broker may not read assignments there. Nobody knows whether it is there."""
    UNKNOWN = "unknown"
    """Azure has said something else, or nothing."""


GONE = frozenset({ScopeState.NO_GROUP, ScopeState.NO_RESOURCE})
"""What says for certain that a scope is not there."""


@dataclass(frozen=True, slots=True)
class FoundApplication:
    """An application. ``since``: when it was made, or moved to the recycle bin; ``None`` if Azure does not say."""

    object_id: ObjectId
    app_id: ObjectId
    unique_name: str
    display_name: str
    tags: tuple[str, ...]
    since: datetime | None
    has_secret: bool = True

    @property
    def lacks_secret(self) -> bool:
        """Whether it has no secret although its lease's credential is one."""
        return not self.has_secret and ownership.NO_SECRET not in self.tags

    @property
    def lease(self) -> LeaseId | None:
        """The lease that it was made for, if it has the whole mark: unique name, display name and tag."""
        whole = self.unique_name == self.display_name and ownership.TAG in self.tags
        return ownership.lease_named(self.unique_name) if whole else None


@dataclass(frozen=True, slots=True)
class FoundPrincipal:
    """A service principal. ``since``: when it was moved to the recycle bin. Graph shows no other age of it."""

    object_id: ObjectId
    app_id: ObjectId
    display_name: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A client secret on an application."""

    key_id: ObjectId
    display_name: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class FoundAssignment:
    """A role assignment at exactly the scope that was asked for. ``made_by`` is the object id of its maker."""

    assignment: Assignment
    principal: ObjectId
    description: str
    made_by: ObjectId
    since: datetime | None
    definition_id: str = ""

    @property
    def lease(self) -> LeaseId | None:
        """The lease that has made it for a principal of its own, if description and name agree."""
        return self._named_after(ownership.lease_described(self.description))

    @property
    def granting_lease(self) -> LeaseId | None:
        """The lease that has made it for its holder, if description and name agree."""
        return self._named_after(ownership.lease_granting(self.description))

    def _named_after(self, lease_id: LeaseId | None) -> LeaseId | None:
        return lease_id if lease_id and ownership.is_assignment_of(lease_id, self.assignment.name) else None


type DirectoryObject = FoundApplication | FoundPrincipal


class AzureInventory(Protocol):
    """Reads what there is in Azure. Every method may raise ``Upstream``. A list makes a call a page."""

    async def identity(self) -> ObjectId:
        """Returns the object id of the broker's own service principal. Makes one call."""
        ...

    def owned(self) -> AsyncIterator[DirectoryObject]:
        """Yields the applications and service principals that the broker owns: those that it has made, and no others."""
        ...

    def recycled(self) -> AsyncIterator[DirectoryObject]:
        """Yields all applications and service principals in the recycle bin that are named like a lease's, or have no name."""
        ...

    async def secrets_on(self, application: ObjectId) -> tuple[FoundSecret, ...]:
        """Returns the application's secrets; none if it is not there. Makes one call."""
        ...

    async def assignments_at(self, scope: Scope) -> tuple[FoundAssignment, ...]:
        """Returns all assignments at exactly this scope; none if it is not there."""
        ...

    async def definition(self, definition_id: str) -> Definition:
        """Returns the role definition with this full id, as it is today. Raises ``Absent``."""
        ...

    async def scope_state(self, scope: Scope, name: str) -> ScopeState:
        """Returns whether the scope is there, by a look for the role assignment ``name``. Raises nothing.

        That a scope is there is remembered for a minute.
        """
        ...

    async def resource_state(self, resource: Scope, name: str) -> ScopeState:
        """Returns the same of a caller's own resource: whether what the directory says of the caller is still so.

        That a resource is there is remembered for as long as the directory's facts about a caller.
        """
        ...

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """The ids, in lower case, of all that the management group holds, directly or not. Raises ``Absent``."""
        ...

    async def groups_of(self, principal: ObjectId, among: tuple[ObjectId, ...]) -> tuple[ObjectId, ...]:
        """Returns those of the groups that have the principal as a member, directly or not. Makes a call for each 20 groups."""
        ...

    async def stands(self, application: ObjectId | None, principal: ObjectId | None, *, secret: bool = True) -> bool:
        """Returns whether application and service principal are there, and a ``secret`` if there must be one.

        Makes two calls.
        """
        ...
