"""The port to what is known of the names of shared secrets: what each name was last granted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.core.names import LeaseId, RoleName


@dataclass(frozen=True, slots=True)
class SecretName:
    """A name in a vault, under which leases have versions of one secret. ``vault`` is an address."""

    vault: str
    name: str

    @property
    def key(self) -> str:
        """The same for all ways to write the name: Key Vault's names have no case. Without a slash, for the key of a row."""
        return f"{self.vault.removeprefix('https://')}_{self.name}".lower()


@dataclass(frozen=True, slots=True)
class NameClaim:
    """What the name stands for: leases of one role that are granted the same, as ``target_digest`` says.

    ``lease`` is the one that has claimed the name for them. It may have ended: others go on under the same claim. ``version``
    is one that the row has never had before, and never has again.
    """

    lease: LeaseId
    target_digest: str
    version: str = ""

    @property
    def role(self) -> RoleName:
        """The role whose leases have the name."""
        return self.lease.role

    def is_for(self, lease: LeaseId, target_digest: str) -> bool:
        """Whether the lease may go on under this claim."""
        return (self.role, self.target_digest) == (lease.role, target_digest)


class SecretNames(Protocol):
    """The store of claims. A claim keeps nobody out: it is taken over, and whoever worked under it finds that."""

    async def find(self, name: SecretName) -> NameClaim | None:
        """Returns the name's claim. Makes one point read. Raises ``Unreadable``, ``Upstream``."""
        ...

    async def claim(self, name: SecretName, wanted: NameClaim, *, former: NameClaim | None) -> NameClaim:
        """Puts a claim in place of ``former``. Raises ``LostRace`` if that has changed, ``Upstream``."""
        ...
