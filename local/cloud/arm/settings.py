"""What a test can set of the local Azure Resource Manager: quotas, throttling, page size."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.cloud.crowding import Crowding


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: how many calls at once, and how many a second for long."""

    size: int
    refill: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls of one principal in one subscription.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
    """

    reads: Bucket = Bucket(250, 25)
    writes: Bucket = Bucket(200, 10)
    deletes: Bucket = Bucket(200, 10)


@dataclass(slots=True)
class Settings:
    """The defaults are Azure's own figures; throttling is off."""

    limits: Limits | None = None
    """``Limits()`` turns throttling on."""
    assignments_per_subscription: int = 4_000
    """https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits"""
    assignments_per_management_group: int = 500
    custom_roles: int = 5_000
    """In the whole tenant."""
    federated_per_identity: int = 20
    """https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations"""
    busy_seconds: float | None = 0.05
    """How long a change of an identity's federated credentials takes: Graph's ``busy_seconds`` tells why so short."""
    crowding: Crowding = field(default_factory=Crowding)
    page_size: int = 1_000
    """Items in one page of a list. Azure was recorded to send some hundreds at once."""
    authority: str | None = None
    """Base URL of Entra ID in the ``WWW-Authenticate`` of a 401; ``None`` for the origin that was called."""
    display_name: str = "Local"
    """The subscription's name."""
