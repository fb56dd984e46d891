"""A role: what to mint, for whom, for how long."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol

from shared.core.errors import Fault
from shared.core.names import ObjectId, RoleName

MIN_TTL = 60
"""Seconds. Nothing shorter is worth minting: Azure needs part of it to take notice."""
DEFAULT_TTL = 900
DEFAULT_MAX_TTL = 4 * 3600
MAX_TTL = 30 * 86400

type Ready = Literal["none", "token"]


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


class Target(Protocol):
    """What a role mints, as its kind of credential says it: frozen, and compared by value. Only the kind looks into it."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...

    @property
    def ready(self) -> Ready:
        """Whether the credential is tried out before it is handed out, and how."""
        ...


@dataclass(frozen=True, slots=True)
class UnknownTarget:
    """Of a stored role whose document says nothing that this broker can mint: it is from another version, or damaged."""

    type: ClassVar[str] = "unknown"
    ready: Ready = "none"


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
        """The name of its kind of credential, in documents and leases."""
        return self.target.type

    @property
    def is_unreadable(self) -> bool:
        """Whether what it mints cannot be told from what is stored: ``outdated`` says why."""
        return isinstance(self.target, UnknownTarget)

    def with_target(self, target: Target) -> Role:
        """The same role minting something else (or the same, resolved)."""
        return replace(self, target=target)
