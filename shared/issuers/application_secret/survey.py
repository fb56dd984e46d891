"""What there is in Azure of leases with a secret on an existing application. Reads only.

A secret there that is called after a lease is the broker's own only if its records know the lease: it does not tell who made
it, and another broker's is called alike.
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
from shared.kinds.kind import Places
from shared.kinds.survey import Candidate, Reading


@dataclass(slots=True)
class ApplicationSecretSurvey:
    """Satisfies ``Survey``. An entry for each secret that is called after a lease."""

    inventory: AzureInventory
    places: Places
    reading: Reading = field(default_factory=Reading)
    secrets: list[LeaseSecret] = field(default_factory=list)
    named: set[LeaseId] = field(default_factory=set)

    @property
    def unread(self) -> Sequence[str]:
        """Places that could not be read this time."""
        return self.reading.unread

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """A secret of its name: the broker makes nothing else."""
        return not with_credential or lease_id in self.named

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """Raises nothing: what cannot be read is noted."""
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
    """A secret on an existing application that is called after a lease. Satisfies ``Candidate``."""

    lease: LeaseId
    application: ObjectId
    found: FoundSecret
    type: ClassVar[str] = "application_secret"
    is_proof: ClassVar[bool] = False
    is_whole: ClassVar[bool] = True
    goes_with: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Its key id, and where it is."""
        return f"{self.found.key_id} of application {self.application}"

    @property
    def since(self) -> datetime | None:
        """When it began to work."""
        return self.found.since

    async def footprint(self, lease: Lease | None, role: Role | None) -> ApplicationSecretFootprint:  # noqa: ARG002 - the protocol's
        """The secret."""
        return ApplicationSecretFootprint(self.application, self.found.display_name, self.found.key_id)
