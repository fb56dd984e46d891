"""The directory and the resource tree, as data. Services read and change it; only they know the wire's shapes.

Instants are POSIX seconds on the local cloud's own clock. Identifiers are lower-case GUID texts with dashes, resource
ids are kept as written and compared without case.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True)
class Password:
    """A client secret: Graph's ``passwordCredential``."""

    key_id: str
    secret: str
    display_name: str | None
    start: float
    end: float


@dataclass(slots=True)
class Certificate:
    """A public key that may sign client assertions: Graph's ``keyCredential``."""

    key_id: str
    thumbprint: str
    """SHA-1 of the DER certificate, upper-case hexadecimal: what ``x5t`` names."""
    der: bytes
    display_name: str | None
    start: float
    end: float


@dataclass(slots=True)
class FederatedCredential:
    """Trust in another issuer's tokens."""

    id: str
    name: str
    issuer: str
    subject: str
    audiences: list[str]
    description: str | None = None


@dataclass(slots=True)
class Application:
    """An application registration. ``properties`` holds the rest of the Graph resource, by Graph's names."""

    id: str
    app_id: str
    created: float
    properties: dict[str, Any]
    unique_name: str | None = None
    owners: list[str] = field(default_factory=list)
    passwords: dict[str, Password] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    federated: dict[str, FederatedCredential] = field(default_factory=dict)
    deleted: float | None = None
    """When it went to the recycle bin; ``None`` while it lives."""


@dataclass(slots=True)
class ServicePrincipal:
    """A service principal, of an application or of a managed identity."""

    id: str
    app_id: str
    created: float
    properties: dict[str, Any]
    kind: Literal["Application", "ManagedIdentity"] = "Application"
    resource_id: str | None = None
    """The managed identity's Azure resource; ``None`` for an application."""
    system_assigned: bool = False
    owners: list[str] = field(default_factory=list)
    passwords: dict[str, Password] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    app_roles: list[AppRoleAssignment] = field(default_factory=list)
    deleted: float | None = None


@dataclass(slots=True)
class AppRoleAssignment:
    """An application permission that a service principal holds, on the resource with that ``resource_app_id``."""

    id: str
    resource_app_id: str
    resource_id: str
    """Object id of the resource's service principal."""
    app_role_id: str
    value: str
    """The role's value, as a token's ``roles`` claim has it: ``Application.ReadWrite.OwnedBy``."""
    created: float


@dataclass(slots=True)
class Group:
    """A security group."""

    id: str
    created: float
    properties: dict[str, Any]
    members: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    deleted: float | None = None


@dataclass(slots=True)
class User:
    """A person's account."""

    id: str
    created: float
    properties: dict[str, Any]
    deleted: float | None = None


@dataclass(slots=True)
class RoleDefinition:
    """An Azure role. ``name`` is its GUID, ``scope`` where it was defined (``/`` for a built-in one)."""

    name: str
    role_name: str
    description: str
    kind: Literal["BuiltInRole", "CustomRole"]
    permissions: list[dict[str, Any]]
    assignable_scopes: list[str]
    scope: str = "/"
    created: float = 0.0
    updated: float = 0.0
    created_by: str | None = None
    updated_by: str | None = None


@dataclass(slots=True)
class RoleAssignment:
    """An Azure role on a scope for a principal."""

    name: str
    scope: str
    role_definition_id: str
    """The full id as it was sent: ``/subscriptions/{s}/providers/Microsoft.Authorization/roleDefinitions/{guid}``."""
    principal_id: str
    principal_type: str
    created: float
    updated: float
    created_by: str
    updated_by: str
    condition: str | None = None
    condition_version: str | None = None
    description: str | None = None
    delegated_managed_identity: str | None = None


class RoleAssignments(MutableMapping[str, RoleAssignment]):
    """Role assignments by name, also found by principal: every authorization decision asks for one principal's."""

    def __init__(self) -> None:
        self._by_name: dict[str, RoleAssignment] = {}
        self._by_principal: dict[str, dict[str, RoleAssignment]] = {}

    def __getitem__(self, name: str) -> RoleAssignment:
        return self._by_name[name]

    def __setitem__(self, name: str, assignment: RoleAssignment) -> None:
        if name in self._by_name:
            del self[name]
        self._by_name[name] = assignment
        self._by_principal.setdefault(assignment.principal_id.lower(), {})[name] = assignment

    def __delitem__(self, name: str) -> None:
        assignment = self._by_name.pop(name)
        of_principal = self._by_principal[assignment.principal_id.lower()]
        del of_principal[name]
        if not of_principal:
            del self._by_principal[assignment.principal_id.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def of(self, principal_id: str) -> tuple[RoleAssignment, ...]:
        """What is assigned to this principal itself, at any scope."""
        return tuple(self._by_principal.get(principal_id.lower(), {}).values())


@dataclass(slots=True)
class Resource:
    """A subscription, resource group or resource: enough of one to be read, locked and assigned roles on."""

    id: str
    type: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Lock:
    """A management lock (``CanNotDelete`` or ``ReadOnly``) on a scope."""

    name: str
    scope: str
    level: Literal["CanNotDelete", "ReadOnly"]
    notes: str | None = None


@dataclass(slots=True)
class Identity:
    """Someone whom tests and the sample can be: a service principal or a user, by a name of their own."""

    name: str
    kind: Literal["system_assigned", "user_assigned", "application", "user"]
    object_id: str
    client_id: str
    resource_id: str | None
    """Of a managed identity: its own resource, or the one it is assigned to by the system."""
    header: str
    """What ``X-IDENTITY-HEADER`` must hold at this identity's own endpoint."""


@dataclass(slots=True)
class Directory:
    """Everything that exists.

    Keys are object ids; for assignments and definitions their GUID; for resources the lower-case id.
    """

    applications: dict[str, Application] = field(default_factory=dict)
    service_principals: dict[str, ServicePrincipal] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    role_definitions: dict[str, RoleDefinition] = field(default_factory=dict)
    role_assignments: RoleAssignments = field(default_factory=RoleAssignments)
    resources: dict[str, Resource] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    """By name."""
    issuers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Keys (JWK) of the other issuers whose assertions federated credentials may trust."""
    broker_app_id: str = ""
    """Client id of the broker's own API: its audience is ``api://`` and this."""

    def application_of(self, app_id: str) -> Application | None:
        """The living application with this client id."""
        return next((a for a in self.applications.values() if a.app_id == app_id and a.deleted is None), None)

    def principal_of(self, app_id: str) -> ServicePrincipal | None:
        """The living service principal with this client id."""
        return next((p for p in self.service_principals.values() if p.app_id == app_id and p.deleted is None), None)
