"""Surveys what leases with a secret on an existing application have left in Azure. Reads only.

A secret that is named after a lease is the broker's own only if its records know the lease. The secret does not show which
broker has made it, and another broker names its secrets in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from shared.core import ownership
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId
from shared.core.ports.inventory import AzureInventory, FoundSecret
from shared.core.role import Role
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.kinds.part import Places
from shared.kinds.survey import Candidate, Reading


@dataclass(slots=True)
class ApplicationSecretSurvey:
    """Satisfies ``Survey``. Finds each secret that is named after a lease."""

    inventory: AzureInventory
    places: Places
    reading: Reading = field(default_factory=Reading)
    secrets: list[LeaseSecret] = field(default_factory=list)
    named: set[LeaseId] = field(default_factory=set)

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """Returns whether there is a secret of the lease's name: the broker makes nothing else."""
        return not with_credential or lease_id in self.named

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """Reads the secrets of every application. Raises nothing: an application that cannot be read is noted."""
        for application in self.places.applications:
            await self.reading.try_to(f"application {application}", self._look_at(application))
        return {"secrets": self.secrets}

    async def _look_at(self, application: ObjectId) -> None:
        for secret in await self.inventory.secrets_on(application):
            if (lease_id := ownership.lease_in(secret.display_name)) is not None:
                self.secrets.append(LeaseSecret(lease_id, application, secret))
                self.named.add(lease_id)


@dataclass(frozen=True, slots=True)
class LeaseSecret:
    """A secret on an existing application that is named after a lease. Satisfies ``Candidate``."""

    lease: LeaseId
    application: ObjectId
    found: FoundSecret
    type: ClassVar[str] = "application_secret"
    is_proof: ClassVar[bool] = False
    is_whole: ClassVar[bool] = True
    goes_with: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The secret's key id, and its application."""
        return f"{self.found.key_id} of application {self.application}"

    @property
    def since(self) -> datetime | None:
        """When the secret began to work."""
        return self.found.since

    async def footprint(self, lease: Lease | None, role: Role | None) -> ApplicationSecretFootprint:  # noqa: ARG002 - the protocol's
        """Returns the footprint of the secret."""
        return ApplicationSecretFootprint(self.application, self.found.display_name, self.found.key_id)
