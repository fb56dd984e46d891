"""The tenant's directory, as data: services read and change it, and only they know the wire's shapes.

Instants are POSIX seconds on the local cloud's own clock. Identifiers are lower-case GUID texts with dashes.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, ValuesView
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


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
    federated: dict[str, FederatedCredential] = field(default_factory=dict)
    """Of a user-assigned managed identity, which has no application."""
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
class PermissionGrant:
    """A delegated permission grant: what a client may do at a resource in people's names."""

    id: str
    client_id: str
    """The client's service principal."""
    resource_id: str
    """The service principal of the API."""
    consent_type: str
    """``AllPrincipals`` or ``Principal``."""
    principal_id: str | None
    """The one person for whom it holds; ``None`` for everybody."""
    scope: str
    """Names, with a blank between them."""


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
    app_roles: list[AppRoleAssignment] = field(default_factory=list)
    deleted: float | None = None


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


class Registered(Protocol):
    """What has a client id, and may lie in the recycle bin."""

    id: str
    app_id: str
    deleted: float | None


class Clients[T: Registered](MutableMapping[str, T]):
    """Applications, or service principals, by object id; the living one with a client id is found without a scan."""

    def __init__(self) -> None:
        self._by_id: dict[str, T] = {}
        self._by_app_id: dict[str, dict[str, T]] = {}

    def __getitem__(self, object_id: str) -> T:
        return self._by_id[object_id]

    def __setitem__(self, object_id: str, client: T) -> None:
        if object_id in self._by_id:
            del self[object_id]
        self._by_id[object_id] = client
        self._by_app_id.setdefault(client.app_id, {})[object_id] = client

    def __delitem__(self, object_id: str) -> None:
        client = self._by_id.pop(object_id)
        same = self._by_app_id[client.app_id]
        del same[object_id]
        if not same:
            del self._by_app_id[client.app_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def values(self) -> ValuesView[T]:
        """All of them: the dictionary's own view, which lists read thousands from."""
        return self._by_id.values()

    def living(self, app_id: str) -> T | None:
        """The one with this client id that is not in the recycle bin."""
        return next((client for client in self._by_app_id.get(app_id, {}).values() if client.deleted is None), None)


class Applications(Clients[Application]):
    """Applications, found by unique name as well: it stays taken while its holder lies in the recycle bin."""

    def __init__(self) -> None:
        super().__init__()
        self._by_unique_name: dict[str, Application] = {}

    def __setitem__(self, object_id: str, client: Application) -> None:
        super().__setitem__(object_id, client)
        if client.unique_name is not None:
            self._by_unique_name[client.unique_name] = client

    def __delitem__(self, object_id: str) -> None:
        name = self[object_id].unique_name
        super().__delitem__(object_id)
        if name is not None:
            del self._by_unique_name[name]

    def named(self, unique_name: str) -> Application | None:
        """The one with this unique name, living or deleted."""
        return self._by_unique_name.get(unique_name)


@dataclass(slots=True)
class Directory:
    """Every object of the directory, by object id unless a field says otherwise."""

    applications: Applications = field(default_factory=Applications)
    service_principals: Clients[ServicePrincipal] = field(default_factory=Clients)
    groups: dict[str, Group] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    permission_grants: dict[str, PermissionGrant] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    """By name."""
    broker_app_id: str = ""
    """Client id of the broker's own API: its audience is ``api://`` and this."""

    def application_of(self, app_id: str) -> Application | None:
        """The living application with this client id."""
        return self.applications.living(app_id)

    def principal_of(self, app_id: str) -> ServicePrincipal | None:
        """The living service principal with this client id."""
        return self.service_principals.living(app_id)

    def user_assigned(self, resource_id: str) -> ServicePrincipal | None:
        """The living service principal of the user-assigned managed identity with this resource id, in any case."""
        wanted = resource_id.casefold()
        own = (found for found in self.service_principals.values() if not found.system_assigned and found.deleted is None)
        return next((found for found in own if (found.resource_id or "").casefold() == wanted), None)
