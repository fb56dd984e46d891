"""What Graph refuses for being too much: object quotas, secrets and federated credentials, crowding, request rates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from local.cloud.disturbances.crowding import Crowding
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import Refusal
from local.cloud.graph import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.local_azure import LocalAzure


@dataclass(slots=True)
class Bucket:
    """A token bucket: holds ``size`` units and refills over ``seconds``."""

    size: float
    seconds: float
    level: float
    at: float

    def take(self, cost: float, now: float) -> float | None:
        """Takes the cost, or returns how many seconds are missing for it."""
        self.level = min(self.size, self.level + (now - self.at) * self.size / self.seconds)
        self.at = now
        if cost > self.level:
            return (cost - self.level) * self.seconds / self.size
        self.level -= cost
        return None

    @property
    def used(self) -> float:
        """The share of the bucket that is taken, from 0 to 1."""
        return 1 - self.level / self.size


@dataclass(slots=True)
class Limits:
    """The limits in force; all but those named with an underscore can be set while the cloud runs. ``None`` is no limit."""

    directory_objects: int | None = 50_000
    """Objects a tenant may hold without a verified domain, living and soft-deleted alike:
    https://learn.microsoft.com/entra/identity/users/directory-service-limits-restrictions."""
    objects_per_creator: int | None = None
    """Objects whose first owner is the caller; 250 for a creator without a directory role (same source)."""
    credentials_per_object: int | None = 600
    """Secrets and certificates together. Azure limits the object's size; about 600 keys were reported to reach it:
    https://github.com/microsoftgraph/microsoft-graph-docs/issues/21469."""
    federated_per_application: int | None = 20
    """https://learn.microsoft.com/graph/api/resources/federatedidentitycredentials-overview."""
    passwords: str | None = None
    """``blocked``: an application management policy forbids new secrets.
    https://learn.microsoft.com/graph/api/resources/applicationauthenticationmethodpolicy"""
    password_lifetime_seconds: float | None = None
    """The longest lifetime of a new secret by such a policy."""
    certificate_lifetime_seconds: float | None = None
    """The longest lifetime of a new certificate by such a policy."""
    busy_seconds: float | None = 0.05
    """How long a change of one application takes. Another within that time meets 409 Directory_ConcurrencyViolation,
    under every consistency profile but ``none``. Azure publishes no number: shorter than the usual latency, so that
    calls made one after the other never meet it."""
    throttling: bool = False
    """Whether the next four count."""
    writes: int = 3_000
    """Writes of one application in one tenant ... (https://learn.microsoft.com/graph/throttling-limits)."""
    writes_seconds: float = 150.0
    """... in this time."""
    units: int = 3_500
    """Resource units of one application in a small tenant ... (same source)."""
    units_seconds: float = 10.0
    """... in this time."""
    _crowding: Crowding = field(default_factory=Crowding)
    _buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raises ``InputError`` for an unknown name or a value that does not fit."""
        known = {item.name for item in fields(self) if not item.name.startswith("_")}
        for name, value in settings.items():
            if name not in known:
                raise InputError(f"unknown limit {name}: one of {', '.join(sorted(known))}")
            if not _fits(name, value):
                raise InputError(f"limit {name} cannot be {value!r}")

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Sets limits from JSON; raises ``InputError``, and sets none, as ``check`` does."""
        self.check(settings)
        for name, value in settings.items():
            setattr(self, name, value)
        self._buckets.clear()

    def as_json(self) -> dict[str, Any]:
        """Every limit by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if not item.name.startswith("_")}

    def begin_change(self, world: LocalAzure, object_id: str) -> None:
        """Refuses a change of an object that is being changed."""
        if self._crowding.meets(world.consistency, object_id, self.busy_seconds):
            raise crowded()

    def check_objects(self, world: LocalAzure) -> None:
        """Refuses another object when the tenant is full."""
        directory = world.directory
        held = len(directory.applications) + len(directory.service_principals)
        held += len(directory.groups) + len(directory.users)
        if self.directory_objects is not None and held >= self.directory_objects:
            raise errors.quota_exceeded("Tenant")

    def check_creator(self, world: LocalAzure, object_id: str) -> None:
        """Refuses another object when this creator owns as many as it may."""
        if self.objects_per_creator is None:
            return
        directory = world.directory
        kinds = (directory.applications.values(), directory.service_principals.values(), directory.groups.values())
        if sum(item.owners[:1] == [object_id] for kind in kinds for item in kind) >= self.objects_per_creator:
            raise errors.quota_exceeded("Principal")

    def check_credentials(self, count: int) -> None:
        """Refuses to let an object hold this many secrets and certificates."""
        if self.credentials_per_object is not None and count > self.credentials_per_object:
            message = "The size of the object has exceeded its limit. Please reduce the number of values and retry your request"
            raise Refusal(errors.error(400, "Directory_ResourceSizeExceeded", message))

    def admit(self, world: LocalAzure, app_id: str, *, units: int, write: bool) -> float:
        """Counts a request of this application; refuses with 429 beyond the rate.

        Returns the share of its fullest bucket that is used, from 0 to 1.
        """
        if not self.throttling:
            return 0.0
        now = world.clock.now()
        asked = [("ResourceUnit", self.units, self.units_seconds, units)]
        if write:
            asked.append(("Write", self.writes, self.writes_seconds, 1))
        shares = []
        for kind, size, seconds, cost in asked:
            bucket = self._buckets.setdefault((app_id, kind), Bucket(size, seconds, size, now))
            missing = bucket.take(cost, now)
            if missing is not None:
                raise _throttled(kind, app_id, world.tenant_id, missing)
            shares.append(bucket.used)
        return max(shares)

    def check_new_secret(self, world: LocalAzure, lifetime: float) -> None:
        """Refuses a secret that the policy forbids, or that would live longer than it allows; in seconds."""
        if self.passwords is not None:
            message = f"Credential type not allowed as per assigned policy '{world.tenant_id}'."
            raise Refusal(errors.error(400, "CredentialTypeNotAllowedAsPerAppPolicy", message))
        self._check_lifetime(world, lifetime, self.password_lifetime_seconds)

    def check_new_certificate(self, world: LocalAzure, lifetime: float) -> None:
        """Refuses a certificate that would live longer than the policy allows; in seconds."""
        self._check_lifetime(world, lifetime, self.certificate_lifetime_seconds)

    def _check_lifetime(self, world: LocalAzure, lifetime: float, longest: float | None) -> None:
        """Body and status: https://github.com/OfficeDev/microsoft-365-agents-toolkit/issues/10998."""
        if longest is not None and lifetime > longest:
            message = f"Credential lifetime exceeds the max value allowed as per assigned policy '{world.tenant_id}'."
            details = [{"code": "InvalidKeyEndDate", "message": message, "target": "EndDate"}]
            raise Refusal(errors.error(400, "CredentialInvalidLifetimeAsPerAppPolicy", message, details=details))


def crowded() -> Refusal:
    """409 for a change that meets another."""
    message = "Error due to concurrent requests being made to the tenant. Please wait briefly and retry."
    return Refusal(errors.error(409, "Directory_ConcurrencyViolation", message))


def _throttled(kind: str, app_id: str, tenant_id: str, missing: float) -> Refusal:
    headers = {
        "Retry-After": str(max(1, math.ceil(missing))),
        "x-ms-throttle-scope": f"Tenant_Application/{'Write' if kind == 'Write' else 'ReadWrite'}/{app_id}/{tenant_id}",
        "x-ms-throttle-information": f"{kind}LimitExceeded",
    }
    return Refusal(errors.error(429, "TooManyRequests", "Too many requests.", headers=headers))


def _fits(name: str, value: object) -> bool:
    if name == "throttling":
        return isinstance(value, bool)
    if name == "passwords":
        return value in (None, "blocked")
    if value is None:
        return name not in {"writes", "writes_seconds", "units", "units_seconds"}
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
