"""What a lease leaves in a vault, and how that is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast

from shared.core.delivery import FORMATS, Format
from shared.core.names import LeaseId, ObjectId
from shared.core.typed import named
from shared.kinds.part import Places
from shared.resilience.outages import Service

FOUND = "vault_secret"


@dataclass(frozen=True, slots=True)
class VaultSecretFootprint:
    """A secret of the lease's own or, if it ``is_shared``, a version of a secret that other leases have versions of, too."""

    type: ClassVar[str] = "key_vault_secret"
    lease: LeaseId
    vault: str
    name: str
    format: Format = "json"
    is_shared: bool = False
    version: str = ""
    """Empty until a vault has told it."""
    tags: tuple[tuple[str, str], ...] = ()
    """The version's, but for ``expires``: a change of a version sends all of them."""
    purges: bool | None = None
    """Whether the vault lets the secret be purged; ``None`` if it has not said."""
    failed_at: datetime | None = None
    """When the end of the lease failed to remove it for the first time."""
    tries: int = 0
    """How often that has failed."""
    is_kept: bool = False
    """Whether the vault keeps the deleted secret until its retention is over."""

    @property
    def kept_because(self) -> str:
        """``purge_protected``: nobody can purge it, or the broker may not. ``secret_deleted``: somebody else has deleted it."""
        if not self.is_kept:
            return ""
        return "secret_deleted" if self.is_shared else "purge_protected"

    def key(self) -> tuple[str, str]:
        """Returns the same for all ways to write the same secret: its name has no case."""
        return self.vault, self.name.lower()


@dataclass(frozen=True, slots=True)
class VaultSecretSchema:
    """Satisfies ``PartSchema``."""

    type: ClassVar[str] = VaultSecretFootprint.type
    found: ClassVar[tuple[str, ...]] = (FOUND,)
    """What a reconciliation may find of it."""

    def places_of(self, footprint: VaultSecretFootprint) -> Places:
        """Returns the vault."""
        return Places(others=(footprint.vault,))

    def write_footprint(self, footprint: VaultSecretFootprint) -> dict[str, Any]:
        """Leaves out what says nothing."""
        more = {
            "version": footprint.version,
            "tags": dict(footprint.tags),
            "tries": footprint.tries,
            "failed_at": footprint.failed_at.isoformat() if footprint.failed_at is not None else None,
            "kept": footprint.is_kept,
            "shared": footprint.is_shared,
        }
        return {
            "lease": footprint.lease,
            "vault": footprint.vault,
            "name": footprint.name,
            "format": footprint.format,
            **{name: value for name, value in more.items() if value},
            **({"purges": footprint.purges} if footprint.purges is not None else {}),
        }

    def read_footprint(self, stored: Mapping[str, Any]) -> VaultSecretFootprint:
        """Reads what this or another version has written."""
        form = named(str, stored.get("format", "json"))
        tags = stored.get("tags", {})
        failed_at = stored.get("failed_at")
        return VaultSecretFootprint(
            lease=LeaseId.parse(stored["lease"]),
            vault=stored["vault"],
            name=stored["name"],
            format=cast("Format", form) if form in FORMATS else "json",
            is_shared=stored.get("shared", False),
            version=stored.get("version", ""),
            tags=tuple(tags.items()),
            purges=stored.get("purges"),
            failed_at=datetime.fromisoformat(failed_at) if failed_at else None,
            tries=stored.get("tries", 0),
            is_kept=stored.get("kept", False),
        )

    def principals(self, footprint: VaultSecretFootprint) -> frozenset[ObjectId]:  # noqa: ARG002 - the protocol's
        """Returns none."""
        return frozenset()

    def remains(self, footprint: VaultSecretFootprint) -> tuple[str, ...]:
        """Returns the secret, or the version if that is all that is the lease's."""
        at = f"{footprint.vault}/secrets/{footprint.name}"
        return (f"secret {at}/{footprint.version}" if footprint.is_shared and footprint.version else f"secret {at}",)

    def services(self, footprint: VaultSecretFootprint) -> frozenset[Service]:  # noqa: ARG002 - the protocol's
        """Returns none of those whose outages are known for all."""
        return frozenset()
