"""Surveys what leases have put into vaults. Reads names and tags, and no value.

A secret is a lease's own if its tags name the lease and the lease's role. Somebody who may write to the vault could tag another
secret so: the vault is for deliveries alone (docs/delivery.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from shared.core.lease import Lease
from shared.core.names import LeaseId
from shared.core.role import Role
from shared.issuers.key_vault_secret.footprint import FOUND, VaultSecretFootprint
from shared.issuers.key_vault_secret.tags import ROLE, lease_tagged
from shared.kinds.delivering import NamedSecret, Vaults
from shared.kinds.part import Places
from shared.kinds.survey import Candidate, Reading
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_SECONDS = 60.0
"""For one vault."""


@dataclass(slots=True)
class VaultSurvey:
    """Satisfies ``Survey``. Finds each secret, and each enabled version of a shared one, that a lease has put into a vault."""

    vaults: Vaults
    retry: Retry
    places: Places
    reading: Reading = field(default_factory=Reading)
    found: list[OwnSecret] = field(default_factory=list)

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """Makes a call for each page of each vault's secrets, and one for each page of a shared secret's versions."""
        for vault in self.places.others:
            await self.reading.try_to(vault, self._look_at(vault))
        return {"secrets": self.found}

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:  # noqa: ARG002 - the protocol's
        """Returns whether something of the lease's lies in a vault."""
        return any(each.lease == lease_id for each in self.found)

    async def _look_at(self, vault: str) -> None:
        deadline = self.retry.clock.monotonic() + _SECONDS
        for secret in await self.retry.call(lambda: self.vaults.secrets(vault), on=SAFE_TO_REPEAT, deadline=deadline):
            if ROLE not in secret.tags:
                continue
            owner = lease_tagged(secret.tags)
            if owner is not None and owner.ulid in secret.name.lower():
                self.found.append(OwnSecret(owner, vault, secret.name, is_shared=False, since=secret.created))
            else:
                await self._look_at_versions(vault, secret, deadline)

    async def _look_at_versions(self, vault: str, secret: NamedSecret, deadline: float) -> None:
        versions = await self.retry.call(lambda: self.vaults.versions(vault, secret.name), on=SAFE_TO_REPEAT, deadline=deadline)
        for each in versions:
            if each.is_enabled and (owner := lease_tagged(each.tags)) is not None:
                self.found.append(OwnSecret(owner, vault, secret.name, is_shared=True, since=each.created))


@dataclass(frozen=True, slots=True)
class OwnSecret:
    """Satisfies ``Candidate``."""

    lease: LeaseId
    vault: str
    secret: str
    is_shared: bool
    since: datetime | None
    type: ClassVar[str] = FOUND
    is_proof: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    goes_with: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Its address."""
        return f"{self.vault}/secrets/{self.secret}"

    async def footprint(self, lease: Lease | None, role: Role | None) -> VaultSecretFootprint:  # noqa: ARG002 - the protocol's
        """Returns the secret, or the versions of it that are the lease's."""
        return VaultSecretFootprint(self.lease, self.vault, self.secret, is_shared=self.is_shared)
