"""Puts credentials into vaults, tells the vaults of later ends, and takes the credentials out again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from shared.core.delivery import Delivered, Delivery
from shared.core.errors import Absent, AlreadyExists, Conflict, NotReplicated, Refused, Throttled, Uncertain
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId
from shared.core.ports.secret_names import SecretName
from shared.issuers.key_vault_secret.footprint import VaultSecretFootprint
from shared.issuers.key_vault_secret.removal import Removal, age
from shared.issuers.key_vault_secret.survey import VaultSurvey
from shared.issuers.key_vault_secret.tags import ROLE, lease_tagged, tags_of, with_end
from shared.kinds.delivering import Content, SecretVersion, Vaults
from shared.kinds.part import Places, unheard
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_NOT_YET = "ForbiddenByRbac"
"""Rights at a vault count minutes after they were given: https://learn.microsoft.com/azure/key-vault/general/rbac-guide"""


@dataclass(frozen=True, slots=True)
class KeyVaultCourier:
    """Satisfies ``Courier`` and ``PartIssuer``. ``suffix`` is the cloud's: ``vault.azure.net``."""

    vaults: Vaults
    retry: Retry
    suffix: str
    type: ClassVar[str] = VaultSecretFootprint.type

    def part_of(self, lease: Lease) -> tuple[int, VaultSecretFootprint] | None:
        """See ``Courier``."""
        return next(((place, part) for place, part in enumerate(lease.parts) if isinstance(part, VaultSecretFootprint)), None)

    def plan(self, delivery: Delivery, vault: str, lease_id: LeaseId, holder: ObjectId) -> VaultSecretFootprint:
        """See ``Courier``."""
        name = delivery.name_of(lease_id, holder)
        return VaultSecretFootprint(lease_id, vault, name, delivery.format, is_shared=delivery.is_shared)

    def still_fits(self, delivery: Delivery | None, lease: Lease) -> bool:
        """See ``Courier``."""
        if (found := self.part_of(lease)) is None:
            return delivery is None or not delivery.required
        planned = found[1]
        if delivery is None or planned.vault not in delivery.vaults:
            return False
        again = self.plan(delivery, planned.vault, lease.id, lease.known_holder.object_id)
        return (again.name, again.format, again.is_shared) == (planned.name, planned.format, planned.is_shared)

    def shared_name(self, lease: Lease) -> SecretName | None:
        """See ``Courier``."""
        found = self.part_of(lease)
        return SecretName(found[1].vault, found[1].name) if found is not None and found[1].is_shared else None

    async def require_name(self, lease: Lease, *, deadline: float) -> tuple[LeaseId, ...]:
        """See ``Courier``."""
        _, planned = self._planned(lease)
        if not planned.is_shared:
            return ()
        versions = await self._versions(planned, deadline)
        if any(each.tags.get(ROLE) != lease.id.role for each in versions):
            raise Conflict(f"The secret {planned.name} is not this role's.", code="secret_name_taken")
        owners = (lease_tagged(each.tags) for each in versions if each.is_enabled)
        return tuple({each: None for each in owners if each is not None and each != lease.id})

    async def deliver(
        self, lease: Lease, content: Content, *, begins: datetime, expires: datetime, deadline: float, is_patient: bool
    ) -> VaultSecretFootprint:
        """See ``Courier``."""
        _, planned = self._planned(lease)
        tags = tags_of(lease.id, content.fields)
        # Another worker may have put a version there, and have died.
        before = {each.version for each in await self._versions(planned, deadline)} if lease.rotations else set[str]()

        async def put() -> SecretVersion:
            try:
                return await self.vaults.set_secret(
                    *(planned.vault, planned.name, content), tags=with_end(tags, expires), begins=begins, expires=expires
                )
            except Uncertain:
                # The answer is lost, and the version may be there.
                if (found := await self._written(planned, before, deadline)) is not None:
                    return found
                raise
            except Refused as refused:
                if is_patient and refused.azure_code == _NOT_YET:
                    raise NotReplicated(refused.cause, status=refused.status, azure_code=refused.azure_code) from refused
                raise

        try:
            made = await self.retry.call(put, on=(Throttled, NotReplicated, Uncertain), deadline=deadline, in_time=True)
        except AlreadyExists as deleted:
            sentence = f"A deleted secret has the name {planned.name}: the vault's owner recovers or purges it."
            raise Conflict(sentence, code="secret_name_deleted") from deleted
        purges = planned.purges if made.purges is None else made.purges
        return replace(planned, version=made.version, tags=tags, purges=purges)

    async def extend(self, lease: Lease, expires: datetime, *, deadline: float) -> VaultSecretFootprint:
        """See ``Courier``."""
        _, place = self._planned(lease)
        tags = with_end(place.tags, expires)
        await self.retry.call(
            lambda: self.vaults.update(place.vault, place.name, place.version, tags=tags, expires=expires),
            on=SAFE_TO_REPEAT,
            deadline=deadline,
        )
        return place

    def delivered(self, lease: Lease) -> Delivered | None:
        """See ``Courier``."""
        found = self.part_of(lease)
        if found is None or not found[1].version:
            return None
        return Delivered(found[1].vault, found[1].name, found[1].version)

    async def tenant_of(self, vault: str) -> ObjectId | None:
        """See ``Courier``."""
        return await self.vaults.tenant_of(vault)

    async def try_to_list(self, vault: str) -> None:
        """See ``Courier``."""
        await self.vaults.try_to_list(vault)

    async def locate(self, footprint: VaultSecretFootprint, *, fresh: bool, deadline: float) -> VaultSecretFootprint:  # noqa: ARG002 - the protocol's
        """Returns the footprint: its name is all that is needed."""
        return footprint

    async def undo(
        self,
        footprint: VaultSecretFootprint,
        *,
        fresh: bool,  # noqa: ARG002 - Key Vault has no replicas that are behind
        deadline: float,
        maybe_more: bool = False,  # noqa: ARG002 - every version with the lease's tag goes
        again: bool = False,  # noqa: ARG002 - the vault itself says that it is still deleting
        note: Callable[[VaultSecretFootprint], None] = unheard,
    ) -> bool:
        """See ``Removal``."""
        return await Removal(self.vaults, self.retry, footprint, deadline, note).run()

    async def stands(self, footprint: VaultSecretFootprint) -> bool:
        """Returns whether the lease's version is there and enabled."""
        deadline = self.retry.clock.monotonic()
        return any(each.version == footprint.version and each.is_enabled for each in await self._versions(footprint, deadline))

    def survey(self, places: Places) -> VaultSurvey:
        """See ``VaultSurvey``."""
        return VaultSurvey(self.vaults, self.retry, places)

    def _planned(self, lease: Lease) -> tuple[int, VaultSecretFootprint]:
        found = self.part_of(lease)
        if found is None:
            raise TypeError(f"{lease.id} is not delivered")
        return found

    async def _versions(self, place: VaultSecretFootprint, deadline: float) -> Sequence[SecretVersion]:
        try:
            return await self.retry.call(
                lambda: self.vaults.versions(place.vault, place.name), on=SAFE_TO_REPEAT, deadline=deadline
            )
        except Absent:
            return ()

    async def _written(self, planned: VaultSecretFootprint, before: set[str], deadline: float) -> SecretVersion | None:
        """Returns the newest version of the lease that was not there before."""
        versions = await self._versions(planned, deadline)
        mine = [each for each in versions if lease_tagged(each.tags) == planned.lease and each.version not in before]
        return max(mine, key=age, default=None)
