"""The calls to Azure that minting a service principal takes, as the issuer asks for them."""

from __future__ import annotations

from typing import Protocol

from shared.core.directory import ApplicationIds, NewApplication
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.secret import Secret
from shared.issuers.lease_secrets import Secrets


class Directory(Secrets, Protocol):
    """The calls to Microsoft Graph that this issuer makes. Every method may raise ``Upstream``; one call each."""

    async def upsert_application(self, application: NewApplication) -> ApplicationIds:
        """Registers it, or finds the one of that unique name (a second call)."""
        ...

    async def create_principal(self, app_id: ObjectId) -> ObjectId:
        """The object id of the application's service principal, made or found (a second call).

        Raises ``Doubtful`` while the application is not known everywhere.
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

    async def group_exists(self, group: ObjectId) -> bool:
        """Whether there is such a group."""
        ...


class Authorization(Protocol):
    """The calls to Azure Resource Manager that this issuer makes. Every method may raise ``Upstream``; one call each."""

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

    async def definitions_named(self, role_name: str, scope: Scope) -> tuple[str, ...]:
        """The full ids of the role definitions with exactly this name that can be assigned at the scope."""
        ...

    async def definition_exists(self, definition_id: str) -> bool:
        """Whether there is a role definition with this full id."""
        ...


class Probe(Protocol):
    """Tries a credential out."""

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, wait_until: float) -> bool:
        """Whether Entra takes it dependably before ``wait_until``."""
        ...
