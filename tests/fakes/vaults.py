"""Key vaults in memory, strict where Key Vault is. What there is counts among what leases leave in Azure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.cloud.key_vault.content import CONTENT_TYPES, text_of
from shared.core.errors import Absent, AlreadyExists, NotReplicated, Refused, Unreachable
from shared.core.names import ObjectId
from shared.issuers.key_vault_secret.tags import lease_tagged
from shared.kinds.delivering import Content, NamedSecret, SecretVersion
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_state import CloudState, Thing

VAULT = "https://kv-app.vault.azure.net"
OTHER_VAULT = "https://kv-other.vault.azure.net"
FOREIGN_VAULT = "https://kv-foreign.vault.azure.net"
PROTECTED_VAULT = "https://kv-protected.vault.azure.net"
UNKNOWN_VAULT = "https://kv-nowhere.vault.azure.net"
KIND = "secret in a vault"
DELETED = "deleted secret in a vault"
"""One that its vault would purge, and that is not purged."""


@dataclass(slots=True)
class StoredVersion:
    """A version, with its value."""

    value: str
    shown: SecretVersion
    expires: datetime
    begins: datetime


@dataclass(slots=True)
class StoredSecret:
    """A secret with its versions, the oldest first. ``deleting_until``: on the monotonic clock; ``None`` if not deleted."""

    versions: list[StoredVersion] = field(default_factory=list)
    deleting_until: float | None = None


@dataclass(slots=True)
class FakeVaults:
    """Satisfies ``Vaults``. ``deletion`` is how long one takes, in seconds."""

    calls: Calls
    cloud: CloudState
    clock: FakeClock
    home: ObjectId
    deletion: float = 0.0
    secrets_of: dict[str, dict[str, StoredSecret]] = field(default_factory=dict)
    tenants: dict[str, ObjectId | None] = field(default_factory=dict)
    """Of vaults of other tenants."""
    purge_protected: set[str] = field(default_factory=lambda: {PROTECTED_VAULT})
    refusing: dict[str, str] = field(default_factory=dict)
    """Codes with which vaults refuse everything."""

    def value(self, vault: str, name: str, version: str = "") -> str:
        """What a reader gets. Raises ``Absent``, ``Refused`` if the version is disabled."""
        found = self.version(vault, name, version) if version else self.newest(vault, name)
        if not found.shown.is_enabled:
            raise Refused(status=403, azure_code="SecretDisabled")
        return found.value

    def version(self, vault: str, name: str, version: str) -> StoredVersion:
        """That version. Raises ``Absent``."""
        found = next((each for each in self._secret(vault, name).versions if each.shown.version == version), None)
        if found is None:
            raise Absent(status=404, azure_code="SecretNotFound")
        return found

    def newest(self, vault: str, name: str) -> StoredVersion:
        """The newest version."""
        return self._secret(vault, name).versions[-1]

    def recover(self, vault: str, name: str) -> None:
        """The vault's owner brings a deleted secret back, with all of its versions."""
        self._vault(vault)[name.lower()].deleting_until = None
        self._list(vault, name)

    async def tenant_of(self, vault: str) -> ObjectId | None:
        """One call."""

        def effect() -> ObjectId | None:
            if vault == UNKNOWN_VAULT:
                raise Unreachable("no such host")
            return self.tenants.get(vault, self.home)

        return await self.calls.through("vaults.tenant_of", effect, vault)

    async def set_secret(
        self, vault: str, name: str, content: Content, *, tags: Mapping[str, str], begins: datetime, expires: datetime
    ) -> SecretVersion:
        """One call."""
        value = text_of(content)

        def effect() -> SecretVersion:
            self._require(vault)
            secret = self._vault(vault).setdefault(name.lower(), StoredSecret())
            if secret.deleting_until is not None:
                raise self._deleted(secret)
            number = f"{len(secret.versions) + 1:032x}"
            shown = SecretVersion(
                number, True, dict(tags), self.clock.now(), CONTENT_TYPES[content.format], vault not in self.purge_protected
            )
            secret.versions.append(StoredVersion(value, shown, expires, begins))
            self._list(vault, name)
            return shown

        return await self.calls.through("vaults.set_secret", effect, vault, name)

    async def versions(self, vault: str, name: str) -> Sequence[SecretVersion]:
        """One call."""

        def effect() -> Sequence[SecretVersion]:
            self._require(vault)
            secret = self._vault(vault).get(name.lower())
            return [each.shown for each in secret.versions] if secret is not None and secret.deleting_until is None else []

        return await self.calls.through("vaults.versions", effect, vault, name)

    async def update(
        self,
        vault: str,
        name: str,
        version: str,
        *,
        tags: Mapping[str, str] | None = None,
        expires: datetime | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """One call."""

        def effect() -> None:
            self._require(vault)
            found = self.version(vault, name, version)
            enabled = found.shown.is_enabled if is_enabled is None else is_enabled
            found.shown = replace(found.shown, tags=dict(tags) if tags is not None else found.shown.tags, is_enabled=enabled)
            found.expires = expires or found.expires
            self._list(vault, name)

        await self.calls.through("vaults.update", effect, vault, name)

    async def delete(self, vault: str, name: str) -> bool:
        """One call."""

        def effect() -> bool:
            self._require(vault)
            self._secret(vault, name).deleting_until = self.clock.monotonic() + self.deletion
            self._list(vault, name)
            return vault not in self.purge_protected

        return await self.calls.through("vaults.delete", effect, vault, name)

    async def purge(self, vault: str, name: str) -> None:
        """One call."""

        def effect() -> None:
            self._require(vault)
            secret = self._vault(vault).get(name.lower())
            if secret is None or secret.deleting_until is None:
                raise Absent(status=404, azure_code="SecretNotFound")
            if vault in self.purge_protected:
                raise Refused(status=403, azure_code="Forbidden")
            if self.clock.monotonic() < secret.deleting_until:
                raise self._deleted(secret)
            del self._vault(vault)[name.lower()]
            self._list(vault, name)

        await self.calls.through("vaults.purge", effect, vault, name)

    async def is_deleted(self, vault: str, name: str) -> bool:
        """One call."""

        def effect() -> bool:
            self._require(vault)
            secret = self._vault(vault).get(name.lower())
            gone_since = secret.deleting_until if secret is not None else None
            return gone_since is not None and gone_since <= self.clock.monotonic()

        return await self.calls.through("vaults.is_deleted", effect, vault, name)

    async def secrets(self, vault: str) -> Sequence[NamedSecret]:
        """One call."""

        def effect() -> Sequence[NamedSecret]:
            self._require(vault)
            there = [
                (name, each.versions[-1].shown) for name, each in self._vault(vault).items() if each.deleting_until is None
            ]
            return [NamedSecret(name, newest.tags, newest.created) for name, newest in there]

        return await self.calls.through("vaults.secrets", effect, vault)

    async def try_to_list(self, vault: str) -> None:
        """One call."""
        await self.calls.through("vaults.try_to_list", lambda: self._require(vault), vault)

    def _vault(self, vault: str) -> dict[str, StoredSecret]:
        return self.secrets_of.setdefault(vault, {})

    def _secret(self, vault: str, name: str) -> StoredSecret:
        secret = self._vault(vault).get(name.lower())
        if secret is None or secret.deleting_until is not None:
            raise Absent(status=404, azure_code="SecretNotFound")
        return secret

    def _require(self, vault: str) -> None:
        if vault == UNKNOWN_VAULT:
            raise Unreachable("no such host")
        if (code := self.refusing.get(vault)) is not None:
            raise Refused(status=403, azure_code=code)

    def _deleted(self, secret: StoredSecret) -> NotReplicated | AlreadyExists:
        if secret.deleting_until is not None and self.clock.monotonic() < secret.deleting_until:
            return NotReplicated(status=409, azure_code="ObjectIsBeingDeleted")
        return AlreadyExists(status=409, azure_code="ObjectIsDeletedButRecoverable")

    def _list(self, vault: str, name: str) -> None:
        """Tells the cloud what can be read there, which a disabled version cannot, and what is still to be purged."""
        where = f"{vault}/{name.lower()}"
        for thing in [each for each in self.cloud.elsewhere if each.kind in {KIND, DELETED} and each.where == where]:
            del self.cloud.elsewhere[thing]
        secret = self._vault(vault).get(name.lower())
        is_deleted = secret is not None and secret.deleting_until is not None
        if secret is None or (is_deleted and vault in self.purge_protected):
            return
        for each in secret.versions:
            owner = lease_tagged(each.shown.tags)
            if (is_deleted or each.shown.is_enabled) and owner is not None:
                self.cloud.elsewhere[Thing(DELETED if is_deleted else KIND, owner, where)] = json.dumps(dict(each.shown.tags))
