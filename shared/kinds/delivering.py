"""Delivering credentials: what the broker needs of whatever puts them into vaults, and what that needs of Key Vault.

A lease that is delivered has a second part (``shared.kinds.part``), which says where. The part is planned and stored before
anything is written to the vault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from shared.core.credential import CredentialField
from shared.core.delivery import Delivered, Delivery, Format
from shared.core.footprint import Footprint
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId
from shared.core.ports.secret_names import SecretName
from shared.core.role import Target
from shared.kinds.kind import Schema


@runtime_checkable
class Deliverable(Protocol):
    """A schema of which some targets have credentials that can lie in a vault: they last as long as their leases."""

    def is_deliverable(self, target: Any) -> bool:
        """Returns whether the target's credential can."""
        ...


def is_deliverable(schema: Schema, target: Target) -> bool:
    """Returns whether credentials of the target can be put into a vault."""
    return isinstance(schema, Deliverable) and schema.is_deliverable(target)


@dataclass(frozen=True, slots=True)
class Content:
    """What is put into a vault: a credential's fields, and the form that they get there. Its ``repr`` tells no secret."""

    type: str
    fields: Mapping[str, CredentialField]
    format: Format


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version of a secret, without its value. ``created`` is to the second."""

    version: str
    is_enabled: bool
    tags: Mapping[str, str]
    created: datetime | None = None
    content_type: str | None = None
    purges: bool | None = None
    """Whether the vault lets the secret be purged once it is deleted (``recoveryLevel``). ``None`` if it does not say."""


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret in a vault, with the tags of its newest version."""

    name: str
    tags: Mapping[str, str]
    created: datetime | None = None


class Vaults(Protocol):
    """The calls to Key Vault. ``vault`` is an address. Each makes one call; a list makes one a page.

    Any method may raise ``Upstream``. None is repeated by whoever satisfies this. Reads no value of any secret.
    """

    async def tenant_of(self, vault: str) -> ObjectId | None:
        """Returns the tenant that the vault names in its challenge, without signing in; ``None`` if it names none."""
        ...

    async def set_secret(
        self, vault: str, name: str, content: Content, *, tags: Mapping[str, str], begins: datetime, expires: datetime
    ) -> SecretVersion:
        """Adds a version. Raises ``AlreadyExists`` if a deleted secret has the name, ``NotReplicated`` while it is deleted."""
        ...

    async def versions(self, vault: str, name: str) -> Sequence[SecretVersion]:
        """Returns all versions; none if there is no such secret."""
        ...

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
        """Changes a version. What is ``None`` stays. Raises ``Absent``."""
        ...

    async def delete(self, vault: str, name: str) -> bool:
        """Deletes a secret with all of its versions. Returns whether it can be purged. Raises ``Absent``.

        Raises ``NotReplicated`` while it is being deleted, ``AlreadyExists`` if it is deleted and not purged.
        """
        ...

    async def purge(self, vault: str, name: str) -> None:
        """Purges a deleted secret. Raises ``Absent``; ``NotReplicated`` while it is being deleted; ``Refused``."""
        ...

    async def is_deleted(self, vault: str, name: str) -> bool:
        """Returns whether the vault keeps a deleted secret of that name. Raises ``Refused`` if the broker may not know."""
        ...

    async def secrets(self, vault: str) -> Sequence[NamedSecret]:
        """Returns all secrets of the vault."""
        ...

    async def try_to_list(self, vault: str) -> None:
        """Lists one page. Raises ``Refused`` if the broker may not."""
        ...


class Courier(Protocol):
    """Puts credentials into vaults. ``Any`` stands for the footprint of its part."""

    @property
    def type(self) -> str:
        """The type of its parts."""
        ...

    @property
    def suffix(self) -> str:
        """What an address of the cloud's vaults ends with: ``vault.azure.net``."""
        ...

    def part_of(self, lease: Lease) -> tuple[int, Any] | None:
        """Returns the delivery among the lease's parts, with its place; ``None`` if the lease is not delivered."""
        ...

    def plan(self, delivery: Delivery, vault: str, lease_id: LeaseId, holder: ObjectId) -> Footprint:
        """Returns where a lease's credential will lie. Makes no call."""
        ...

    def still_fits(self, delivery: Delivery | None, lease: Lease) -> bool:
        """Whether the role's delivery of today would put the lease's credential where it was planned to lie."""
        ...

    def shared_name(self, lease: Lease) -> SecretName | None:
        """Returns the name under which other leases may have versions as well; ``None`` if the lease has none such."""
        ...

    async def require_name(self, lease: Lease, *, deadline: float) -> tuple[LeaseId, ...]:
        """Makes no call if the lease has a secret of its own.

        Returns the other leases that have enabled versions under the same name. Raises ``Conflict`` if the name is somebody
        else's, ``Upstream``.
        """
        ...

    async def deliver(
        self, lease: Lease, content: Content, *, begins: datetime, expires: datetime, deadline: float, is_patient: bool
    ) -> Footprint:
        """Puts the credential into the vault. Returns the part with its version. A lost answer is found out.

        ``is_patient``: rights at the vault may be too fresh, and are waited for. Raises ``Conflict``, ``Upstream``.
        """
        ...

    async def extend(self, lease: Lease, expires: datetime, *, deadline: float) -> Footprint:
        """Tells the vault of the lease's later end. Returns the part. Raises ``Upstream``."""
        ...

    def delivered(self, lease: Lease) -> Delivered | None:
        """Returns what the lease's holder is handed out; ``None`` if nothing of it lies in a vault."""
        ...

    async def tenant_of(self, vault: str) -> ObjectId | None:
        """As ``Vaults.tenant_of``."""
        ...

    async def try_to_list(self, vault: str) -> None:
        """As ``Vaults.try_to_list``."""
        ...
