"""Takes a delivered secret out of its vault when its lease ends.

A secret of the lease's own is deleted and, if the vault allows that, purged. Of a shared secret, the lease's versions are
disabled: Key Vault deletes no single version (https://learn.microsoft.com/rest/api/keyvault/secrets/delete-secret), and refuses
to show a disabled one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.core.errors import Absent, AlreadyExists, NotReplicated, Refused, Throttled, Uncertain, Upstream
from shared.core.vault_errors import VaultLeft
from shared.issuers.key_vault_secret.footprint import VaultSecretFootprint
from shared.issuers.key_vault_secret.tags import lease_tagged
from shared.kinds.delivering import SecretVersion, Vaults
from shared.resilience.retry import Retry

log = logging.getLogger(__name__)

PATIENCE = timedelta(days=7)
"""For so long the lease waits for its vault before the failure counts: a vault may be behind a firewall for days."""
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 60.0
"""Seconds between two looks at a secret that is being deleted: that takes 18 s in the median of recorded exchanges."""
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
"""Seconds between two attempts at a vault that is out of reach, or refuses."""
_DOUBLINGS = 10
_FORBIDDEN = 403
_REPEATED = (Throttled, Uncertain)
"""What is repeated within the attempt: each of these calls does no harm when it is made twice."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One attempt. ``note`` is told what the next attempt has to know."""

    vaults: Vaults
    retry: Retry
    footprint: VaultSecretFootprint
    deadline: float
    note: Callable[[VaultSecretFootprint], None]

    async def run(self) -> bool:
        """Returns whether something of the lease was found. Raises ``VaultLeft`` if it is to be tried again, ``Upstream``."""
        try:
            return await (self._disable() if self.footprint.is_shared else self._delete())
        except NotReplicated as deleting:
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self.footprint.tries, _DOUBLINGS))
            self.note(replace(self.footprint, tries=self.footprint.tries + 1))
            left = VaultLeft(deleting.cause, azure_code=deleting.azure_code, retry_after=wait, is_expected=True)
            raise left from deleting
        except (Refused, Throttled, Uncertain) as failure:
            raise self._left(failure) from failure

    async def _delete(self) -> bool:
        vault, name = self.footprint.vault, self.footprint.name
        found, purges = self.footprint.version != "", self.footprint.purges
        try:
            purges = await self.retry.call(lambda: self.vaults.delete(vault, name), on=_REPEATED, deadline=self.deadline)
            found = True
        except Absent:
            # It may have been deleted before, and not have been purged.
            pass
        except AlreadyExists:
            found = True
        if purges is False:
            self._keep()
            return found
        try:
            await self.retry.call(lambda: self.vaults.purge(vault, name), on=_REPEATED, deadline=self.deadline)
        except Absent:
            return found
        except Refused as refused:
            if refused.status != _FORBIDDEN:
                raise
            # It is deleted, and nobody can read it. Either the vault protects it from being purged, or the broker may not.
            self._keep()
        return True

    def _keep(self) -> None:
        log.info("purge_protected: %s/secrets/%s is kept by its vault until the retention is over", *_at(self.footprint))
        self.note(replace(self.footprint, is_kept=True))

    async def _disable(self) -> bool:
        vault, name = self.footprint.vault, self.footprint.name
        try:
            versions = await self.retry.call(lambda: self.vaults.versions(vault, name), on=_REPEATED, deadline=self.deadline)
        except Absent:
            versions = ()
        if not versions and self.footprint.version and await self._is_deleted():
            self.note(replace(self.footprint, is_kept=True))
        mine = [each for each in versions if lease_tagged(each.tags) == self.footprint.lease]
        self._tell_if_newest(versions, mine)
        for each in mine:
            if each.is_enabled:
                await self._disable_one(each.version)
        return bool(mine) or self.footprint.version != ""

    async def _is_deleted(self) -> bool:
        """Whether somebody has deleted the secret, with the lease's version in it: the vault's owner can recover both.

        If the broker may not know, it is so: Key Vault deletes nothing at once.
        """
        vault, name = self.footprint.vault, self.footprint.name
        try:
            return await self.retry.call(lambda: self.vaults.is_deleted(vault, name), on=_REPEATED, deadline=self.deadline)
        except Refused:
            return True

    async def _disable_one(self, version: str) -> None:
        vault, name = self.footprint.vault, self.footprint.name
        with suppress(Absent):
            await self.retry.call(
                lambda: self.vaults.update(vault, name, version, is_enabled=False), on=_REPEATED, deadline=self.deadline
            )

    def _tell_if_newest(self, versions: Sequence[SecretVersion], mine: Sequence[SecretVersion]) -> None:
        """Warns if whoever reads the secret by its name is refused from now on, although an older lease lives."""
        enabled = [each for each in versions if each.is_enabled]
        newest = max(enabled, key=age, default=None)
        if newest in mine and any(each not in mine for each in enabled):
            log.warning("newest_version_disabled: at %s/secrets/%s, older versions are enabled still", *_at(self.footprint))

    def _left(self, failure: Upstream) -> Upstream:
        """Returns the error of a vault that is out of reach, or refuses. After ``PATIENCE``, it is the failure itself."""
        now = self.retry.clock.now()
        since = self.footprint.failed_at or now
        if now - since >= PATIENCE:
            return failure
        wait = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self.footprint.tries, _DOUBLINGS))
        asked = failure.retry_after if isinstance(failure, Throttled) else None
        self.note(replace(self.footprint, failed_at=since, tries=self.footprint.tries + 1))
        return VaultLeft(failure.cause, azure_code=failure.azure_code, retry_after=max(wait, asked or 0.0))


def _at(footprint: VaultSecretFootprint) -> tuple[str, str]:
    return footprint.vault, footprint.name


def age(version: SecretVersion) -> tuple[datetime, str]:
    """Sorts versions, the newest last."""
    return version.created or datetime.min.replace(tzinfo=UTC), version.version
