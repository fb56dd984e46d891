"""What there is in Azure that may be of leases, as the reconciliation reads it. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core import ownership
from shared.core.definition import Definition
from shared.core.footprint import Assignment
from shared.core.names import LeaseId, ObjectId, Scope


@dataclass(frozen=True, slots=True)
class FoundApplication:
    """An application. ``since``: when it was made, or put into the recycle bin; ``None`` when Azure does not tell."""

    object_id: ObjectId
    app_id: ObjectId
    unique_name: str
    display_name: str
    tags: tuple[str, ...]
    since: datetime | None
    has_secret: bool = True

    @property
    def lease(self) -> LeaseId | None:
        """The lease that it was made for, when it carries the whole mark: unique name, display name and tag."""
        whole = self.unique_name == self.display_name and ownership.TAG in self.tags
        return ownership.lease_named(self.unique_name) if whole else None


@dataclass(frozen=True, slots=True)
class FoundPrincipal:
    """A service principal; ``since``: when it was put into the recycle bin. Graph tells no more of its age."""

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
    """A role assignment at exactly the scope that was asked about. ``made_by`` is the object id of whoever made it."""

    assignment: Assignment
    principal: ObjectId
    description: str
    made_by: ObjectId
    since: datetime | None

    @property
    def lease(self) -> LeaseId | None:
        """The lease that it was made for, when description and name agree on it."""
        lease_id = ownership.lease_described(self.description)
        return lease_id if lease_id and ownership.is_assignment_of(lease_id, self.assignment.name) else None


type DirectoryObject = FoundApplication | FoundPrincipal


class AzureInventory(Protocol):
    """Every method may raise ``Upstream``; a list makes a call a page."""

    async def identity(self) -> ObjectId:
        """The object id of the broker's own service principal. One call."""
        ...

    def owned(self) -> AsyncIterator[DirectoryObject]:
        """The applications and service principals that the broker owns: whatever it has made, and nobody else has."""
        ...

    def recycled(self) -> AsyncIterator[DirectoryObject]:
        """Everybody's applications and service principals in the recycle bin that are called like a lease's, or nameless."""
        ...

    async def secrets_on(self, application: ObjectId) -> tuple[FoundSecret, ...]:
        """One call; nothing for an application that is not there."""
        ...

    async def assignments_at(self, scope: Scope) -> tuple[FoundAssignment, ...]:
        """All of them; nothing for a scope that is not there."""
        ...

    async def definition(self, definition_id: str) -> Definition:
        """The role definition with this full id, as it is today. Raises ``Absent``."""
        ...

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """The ids, in lower case, of all that the management group holds, directly or not. Raises ``Absent``."""
        ...

    async def groups_of(self, principal: ObjectId, among: tuple[ObjectId, ...]) -> tuple[ObjectId, ...]:
        """Those of these groups in which the principal is, directly or not. One call for each 20 groups."""
        ...

    async def stands(self, application: ObjectId | None, principal: ObjectId | None) -> bool:
        """Whether the application has a secret, and the service principal is there. Two calls."""
        ...
