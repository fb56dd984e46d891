"""What the vaults hold: secrets with their versions, and how far each is on its way in or out.

Deleting, recovering and purging take a while: a secret is on its way until an instant that is drawn when the call is made.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.resources import Resource

_DAY = 86_400


class Phase(Enum):
    """Where a secret is in its life."""

    LIVE = "live"
    DELETING = "deleting"
    """Neither among the secrets nor among the deleted ones."""
    DELETED = "deleted"
    RECOVERING = "recovering"
    PURGING = "purging"
    """In no list any more, and its name cannot be used yet."""


@dataclass(slots=True)
class Version:
    """One version. Instants are POSIX seconds."""

    id: str
    value: str
    created: float
    updated: float
    enabled: bool = True
    not_before: int | None = None
    expires: int | None = None
    content_type: str | None = None
    tags: dict[str, str] | None = None
    """``None``: never given, which is shown otherwise than an empty object."""


@dataclass(slots=True)
class Secret:
    """A name with its versions, the oldest first."""

    name: str
    versions: dict[str, Version] = field(default_factory=dict)
    phase: Phase = Phase.LIVE
    until: float = 0.0
    """When it has arrived at where it is going, if it is on its way."""
    deleted_at: float = 0.0
    purge_at: float = 0.0

    @property
    def current(self) -> Version:
        """The newest version."""
        return next(reversed(self.versions.values()))

    def add(self, version: Version) -> Version:
        """A version more."""
        self.versions[version.id] = version
        return version

    def delete(self, now: float, seconds: float, days: int) -> None:
        """Deleted, to be kept for so many days."""
        self.phase, self.until = Phase.DELETING, now + seconds
        self.deleted_at, self.purge_at = now, now + days * _DAY

    def move(self, phase: Phase, until: float) -> None:
        """On its way to being live again, or to being no more."""
        self.phase, self.until = phase, until

    def arrive(self, now: float) -> bool:
        """Moves on as far as time has; whether there is still anything of it."""
        if self.phase in (Phase.DELETING, Phase.RECOVERING) and now >= self.until:
            self.phase = Phase.DELETED if self.phase is Phase.DELETING else Phase.LIVE
        if self.phase is Phase.PURGING:
            return now < self.until
        return self.phase is not Phase.DELETED or now < self.purge_at


@dataclass(slots=True)
class _Shelf:
    """The secrets of one vault. A vault that was deleted and made again is another one."""

    vault: Resource
    secrets: dict[str, Secret] = field(default_factory=dict)


@dataclass(slots=True)
class Store:
    """The secrets of every vault, by name in upper case: names are alike in any case."""

    backups: dict[str, Secret] = field(default_factory=dict)
    """By the text that stands for each: what is in a backup is Azure's alone to read."""
    _shelves: dict[str, _Shelf] = field(default_factory=dict)
    _chance: random.Random = field(default_factory=lambda: random.Random("versions"))
    # The world's own chance is for object ids: secrets must not change which are drawn.

    def held(self, world: LocalAzure, vault: Resource) -> dict[str, Secret]:
        """All that this vault holds now."""
        secrets = self._of(vault)
        for name in [name for name, secret in secrets.items() if not secret.arrive(world.clock.now())]:
            del secrets[name]
        return secrets

    def find(self, world: LocalAzure, vault: Resource, name: str) -> Secret | None:
        """The secret of this name, wherever in its life it is now."""
        secrets, key = self._of(vault), name.upper()
        if key in secrets and not secrets[key].arrive(world.clock.now()):
            del secrets[key]
        return secrets.get(key)

    def keep(self, vault: Resource, secret: Secret) -> Secret:
        """One more."""
        self._of(vault)[secret.name.upper()] = secret
        return secret

    def drop(self, vault: Resource, secret: Secret) -> None:
        """One less, at once."""
        del self._of(vault)[secret.name.upper()]

    def _of(self, vault: Resource) -> dict[str, Secret]:
        shelf = self._shelves.get(vault.id.casefold())
        if shelf is None or shelf.vault is not vault:
            shelf = self._shelves[vault.id.casefold()] = _Shelf(vault)
        return shelf.secrets

    def fresh_id(self) -> str:
        """A version's id, or a backup's text."""
        return uuid.UUID(int=self._chance.getrandbits(128), version=4).hex
