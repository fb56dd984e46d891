"""The calls to Azure that issuers make, as they ask for them. ``shared.cloud`` satisfies the protocols."""

from __future__ import annotations

from typing import Protocol

from shared.core.definition import Definition, Permission
from shared.core.directory import ApplicationIds, ExistingApplication, FoundGroup, HeldCredentials, NewApplication
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.kinds.client_secret import Secrets


class Directory(Secrets, Protocol):
    """The calls to Microsoft Graph that issuers make. Every method may raise ``Upstream``; one call each."""

    async def upsert_application(self, application: NewApplication) -> ApplicationIds:
        """Registers it, or finds the one of that unique name (a second call)."""
        ...

    async def create_principal(self, app_id: ObjectId) -> ObjectId:
        """The object id of the application's service principal, made or found (a second call).

        Raises ``AmbiguousRefusal`` while the application is not known everywhere.
        """
        ...

    async def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Puts the principal into the group; being in it already is success."""
        ...

    async def find_application(self, unique_name: str) -> ApplicationIds:
        """Raises ``Absent``."""
        ...

    async def find_principal(self, app_id: ObjectId) -> ObjectId:
        """Raises ``Absent``."""
        ...

    async def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Raises ``Absent`` when it is not in the group, or there is no such group."""
        ...

    async def delete_principal(self, principal: ObjectId) -> None:
        """Into the recycle bin. Raises ``Absent``."""
        ...

    async def delete_application(self, application: ObjectId) -> None:
        """Into the recycle bin, with its service principal. Raises ``Absent``."""
        ...

    async def purge(self, object_id: ObjectId) -> None:
        """Out of the recycle bin, for good. Raises ``Absent``."""
        ...

    async def read_group(self, group: ObjectId) -> FoundGroup:
        """What kind of group it is. Raises ``Absent``."""
        ...


class Authorization(Protocol):
    """The calls to Azure Resource Manager that issuers make. Every method may raise ``Upstream``; one call each."""

    async def assign(
        self,
        assignment: Assignment,
        definition_id: str,
        principal: ObjectId,
        condition: str | None,
        description: str | None = None,
    ) -> None:
        """Makes the assignment; one of the same name for the same principal is success."""
        ...

    async def unassign(self, assignment: Assignment) -> None:
        """Deletes it. Raises ``Absent`` when it, or its scope, is gone."""
        ...

    async def definitions_named(self, role_name: str, scope: Scope) -> tuple[Definition, ...]:
        """The role definitions with exactly this name that can be assigned at the scope."""
        ...

    async def definition_names_at(self, scope: Scope) -> tuple[str, ...]:
        """The names of all role definitions that can be assigned at the scope."""
        ...

    async def definition(self, definition_id: str) -> Definition:
        """The role definition with this full id. Raises ``Absent``."""
        ...

    async def permissions_at(self, scope: Scope) -> tuple[Permission, ...]:
        """What the broker itself may do there; the conditions of its grants are not looked at. A call a page."""
        ...

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """The ids, in lower case, of all that the management group holds, directly or not. A call a page."""
        ...


class Applications(Secrets, Protocol):
    """The calls to Microsoft Graph for secrets on an existing application. Every method may raise ``Upstream``."""

    async def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """How many credentials the application holds, whoever made them. Raises ``Absent``."""
        ...

    async def read_application(self, application_id: ObjectId) -> ExistingApplication:
        """Two calls: the application, and its service principal here. Raises ``Absent``."""
        ...

    async def is_owner(self, application_id: ObjectId, app_id: ObjectId) -> bool:
        """Whether the service principal of this client id owns the application. Raises ``Absent``."""
        ...

    async def is_denied(self, application_id: ObjectId, no_key: ObjectId) -> bool:
        """Whether Entra ID forbids the broker to change the application's secrets; ``no_key`` is none's. Raises ``Absent``."""
        ...
