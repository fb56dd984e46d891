"""What a test can set of the local Azure Resource Manager: quotas, throttling, page size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.cloud.disturbances.crowding import Crowding
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import Json


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


_COUNTS = (
    "assignments_per_subscription",
    "assignments_per_management_group",
    "custom_roles",
    "federated_per_identity",
    "page_size",
)
_SETTABLE = (*_COUNTS, "busy_seconds")


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

    def as_json(self) -> Json:
        """Every limit that the control API may set, by name."""
        return {name: getattr(self, name) for name in _SETTABLE} | {"throttling": self.limits is not None}

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raises ``InputError`` for an unknown name or a value that does not fit."""
        for name, value in settings.items():
            if name == "throttling":
                fits = isinstance(value, bool)
            elif name == "busy_seconds":
                fits = value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)
            elif name in _COUNTS:
                fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
            else:
                raise InputError(f"unknown limit {name}: one of {', '.join([*_SETTABLE, 'throttling'])}")
            if not fits:
                raise InputError(f"limit {name} cannot be {value!r}")

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Sets limits from JSON; raises ``InputError``, and sets none, as ``check`` does."""
        self.check(settings)
        for name, value in settings.items():
            if name == "throttling":
                self.limits = Limits() if value else None
            else:
                setattr(self, name, value)
