"""A role: what to mint, for whom, for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from shared.core.definition import Powers
from shared.core.errors import Fault
from shared.core.names import ObjectId, RoleName, Scope

MIN_TTL = 60
"""Seconds. Nothing shorter is worth minting: Azure needs part of it to take notice."""
DEFAULT_TTL = 900
DEFAULT_MAX_TTL = 4 * 3600
MAX_TTL = 30 * 86400
MAX_AZURE_ROLES = 32
MAX_AZURE_GROUPS = 32

PERSONAL_AUDIENCES = frozenset({"AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"})

type Ready = Literal["none", "token"]
type Closed = Literal["", "marked", "denied"]
"""Why no secret may be made on an application: it carries the broker's mark, or Entra ID does not let the broker change it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Who may issue. Every kind that is present must match; any value within a kind does. No kind: nobody but an admin.

    ``tenant_ids`` says whose callers these are, and nothing of who: without it the broker's own tenant's, with it those named.
    """

    service_principal_ids: frozenset[ObjectId] = frozenset()
    application_ids: frozenset[ObjectId] = frozenset()
    app_roles: frozenset[str] = frozenset()
    tenant_ids: frozenset[ObjectId] = frozenset()

    @property
    def name_somebody(self) -> bool:
        """Whether any kind says who; a tenant is not somebody."""
        return bool(self.service_principal_ids or self.application_ids or self.app_roles)


@dataclass(frozen=True, slots=True)
class AzureRole:
    """One role assignment that every minted principal gets.

    It was written with a ``role_name`` or a ``role_id``; ``definition_id`` is the full resource id that it came down to when
    the role was written, so that issuing looks nothing up.
    """

    scope: Scope
    role_name: str | None = None
    role_id: str | None = None
    condition: str | None = None
    definition_id: str = ""
    powers: Powers | None = None
    """What the definition allowed when it was last read; ``None`` in roles that were stored before that was kept."""
    gone: bool = False
    """Whether the definition was not there any more when it was last looked for."""


@dataclass(frozen=True, slots=True)
class ServicePrincipalTarget:
    """A new application and service principal a lease, with these assignments and memberships."""

    azure_roles: tuple[AzureRole, ...] = ()
    azure_groups: tuple[ObjectId, ...] = ()
    tags: tuple[str, ...] = ()
    sign_in_audience: str = "AzureADMyOrg"
    permanently_delete: bool = True
    ready: Ready = "none"

    @property
    def takes_personal_accounts(self) -> bool:
        """Whether personal Microsoft accounts may sign in to what is minted: Graph has rules of its own for these."""
        return self.sign_in_audience in PERSONAL_AUDIENCES


def common_subscription(scopes: Iterable[Scope]) -> ObjectId | None:
    """The subscription in which all of them lie; ``None`` when they lie in several or in none."""
    found = {scope.subscription_id for scope in scopes}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class ApplicationSecretTarget:
    """A new secret a lease on an existing application.

    ``app_id`` and ``principal_id`` (of its service principal here, if it has one) were read when the role was written.
    """

    application_object_id: ObjectId
    ready: Ready = "none"
    app_id: ObjectId | None = None
    principal_id: ObjectId | None = None
    closed: Closed = ""
    """As it was when the application was last looked at; empty when nothing is known against it."""
    owned: bool = True
    """Whether the broker owned it then; roles that were stored before that was looked at do not say."""


@dataclass(frozen=True, slots=True)
class UnknownTarget:
    """Of a stored role whose document says nothing that this broker can mint: it is from another version, or damaged."""

    ready: Ready = "none"


type Target = ServicePrincipalTarget | ApplicationSecretTarget | UnknownTarget

TYPE_NAMES: dict[type[Target], str] = {
    ServicePrincipalTarget: "service_principal",
    ApplicationSecretTarget: "application_secret",
}


@dataclass(frozen=True, slots=True)
class Role:
    """One credential role. Times in seconds; ``version`` is the stored row's ETag, empty before it is stored.

    ``outdated`` says which of today's rules the document breaks that was stored: no lease is issued until it is written again.
    """

    name: RoleName
    target: Target
    bounds: Bounds = field(default_factory=Bounds)
    ttl: int = DEFAULT_TTL
    max_ttl: int = DEFAULT_MAX_TTL
    renewable: bool = True
    max_leases: int | None = None
    version: str = ""
    outdated: tuple[Fault, ...] = ()

    @property
    def type(self) -> str:
        """The target's name in documents and leases."""
        return TYPE_NAMES.get(type(self.target), "unknown")

    @property
    def is_unreadable(self) -> bool:
        """Whether what it mints cannot be told from what is stored: ``outdated`` says why."""
        return isinstance(self.target, UnknownTarget)

    def with_target(self, target: Target) -> Role:
        """The same role minting something else (or the same, resolved)."""
        return replace(self, target=target)
