"""The calls to Azure that issuers make. ``shared.cloud`` satisfies the protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.access.facts import Principal
from shared.core.caller import CallerType
from shared.core.definition import Definition, Permission
from shared.core.directory import (
    ApplicationIds,
    ExistingApplication,
    FoundGroup,
    HeldCredentials,
    LookedAt,
    NewApplication,
    NewKey,
    NewTrust,
)
from shared.core.errors import Upstream
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.ports.inventory import FoundAssignment
from shared.kinds.client_secret import Secrets


class Directory(Secrets, Protocol):
    """The calls to Microsoft Graph that issuers make. Every method may raise ``Upstream``, and makes one call."""

    async def upsert_application(self, application: NewApplication) -> ApplicationIds:
        """Registers the application, or finds the one of that unique name with a second call."""
        ...

    async def create_principal(self, app_id: ObjectId) -> ObjectId:
        """Makes the application's service principal, or finds it with a second call. Returns its object id.

        Raises ``AmbiguousRefusal`` while the application is not known everywhere.
        """
        ...

    async def add_federated(self, application_id: ObjectId, trust: NewTrust) -> None:
        """Adds a federated identity credential. If there is one of that name with the same content, that is success.

        Then makes a second call. Raises ``Absent`` if there is no such application, ``AlreadyExists`` if the one of that name
        has another content.
        """
        ...

    async def add_key(self, application_id: ObjectId, key: NewKey) -> None:
        """Adds a certificate to those that the application has. If it has one with that key id, that is success.

        Makes two calls. Raises ``Absent`` if there is no such application.
        """
        ...

    async def look_at(self, wanted: Sequence[ApplicationIds]) -> Sequence[LookedAt | Upstream | None]:
        """Returns what each of ten applications at most has, with its principal; ``None`` for one that is not listed.

        A list may be behind: whether an object is gone, a read of that object tells. If the directory answers for some alone,
        the failures of the others are returned. Raises ``Upstream`` if it answers for none.
        """
        ...

    async def own_principal(self, app_id: ObjectId) -> Principal:
        """Returns the service principal with this client id, as the directory tells of it. Raises ``Absent``."""
        ...

    async def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Puts the principal into the group. If it is in the group already, that is success."""
        ...

    async def find_application(self, unique_name: str) -> ApplicationIds:
        """Raises ``Absent``."""
        ...

    async def find_principal(self, app_id: ObjectId) -> ObjectId:
        """Raises ``Absent``."""
        ...

    async def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Takes the principal out of the group. Raises ``Absent`` if it is not in the group, or if there is no such group."""
        ...

    async def delete_principal(self, principal: ObjectId) -> None:
        """Moves the principal to the recycle bin. Raises ``Absent``."""
        ...

    async def delete_application(self, application: ObjectId) -> None:
        """Moves the application to the recycle bin, with its service principal. Raises ``Absent``."""
        ...

    async def purge(self, object_id: ObjectId) -> None:
        """Deletes an object from the recycle bin, for good. Raises ``Absent``."""
        ...

    async def read_group(self, group: ObjectId) -> FoundGroup:
        """Returns the kind of group. Raises ``Absent``."""
        ...


class Authorization(Protocol):
    """The calls to Resource Manager that issuers make. Every method may raise ``Upstream``, and makes one call."""

    async def assign(
        self,
        assignment: Assignment,
        definition_id: str,
        principal: ObjectId,
        condition: str | None,
        description: str | None = None,
        principal_type: CallerType = CallerType.APPLICATION,
    ) -> None:
        """Makes the assignment. If there is one of the same name for the same principal, that is success.

        Raises ``AlreadyExists`` if the same assignment exists under another name.
        """
        ...

    async def assigned_to(self, principal: ObjectId, scope: Scope) -> tuple[FoundAssignment, ...]:
        """Returns the principal's own assignments at exactly this scope. Makes a call a page. Raises ``Absent``."""
        ...

    async def unassign(self, assignment: Assignment) -> None:
        """Deletes the assignment. Raises ``Absent`` if the assignment, or its scope, is gone."""
        ...

    async def definitions_named(self, role_name: str, scope: Scope) -> tuple[Definition, ...]:
        """Returns the role definitions with exactly this name that can be assigned at the scope."""
        ...

    async def definition_names_at(self, scope: Scope) -> tuple[str, ...]:
        """Returns the names of all role definitions that can be assigned at the scope."""
        ...

    async def definition(self, definition_id: str) -> Definition:
        """Returns the role definition with this full id. Raises ``Absent``."""
        ...

    async def permissions_at(self, scope: Scope) -> tuple[Permission, ...]:
        """Returns what the broker itself may do there, without the conditions of its grants. Makes a call a page."""
        ...

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """Returns the ids, in lower case, of all that the management group holds, directly or not. Makes a call a page."""
        ...


class Applications(Secrets, Protocol):
    """The calls to Microsoft Graph for secrets on an existing application. Every method may raise ``Upstream``."""

    async def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """Returns the numbers of the application's credentials, whoever has made them. Raises ``Absent``."""
        ...

    async def read_application(self, application_id: ObjectId) -> ExistingApplication:
        """Makes two calls: for the application, and for its service principal here. Raises ``Absent``."""
        ...

    async def is_owner(self, application_id: ObjectId, app_id: ObjectId) -> bool:
        """Returns whether the service principal of this client id owns the application. Raises ``Absent``."""
        ...

    async def is_denied(self, application_id: ObjectId, no_key: ObjectId) -> bool:
        """Returns whether Entra ID forbids the broker to change the application's secrets. Raises ``Absent``.

        ``no_key`` is the id of no secret.
        """
        ...
