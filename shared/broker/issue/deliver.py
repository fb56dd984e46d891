"""Putting a lease's credential into a vault: where it will lie is in the lease before, and its version afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ports import Ports
from shared.core.credential import Credential
from shared.core.delivery import FIELD, DeliveryAsk
from shared.core.errors import Conflict, Fault, Malformed, Unreadable
from shared.core.lease import Lease
from shared.core.role import Role
from shared.kinds.delivering import Content

_AT_THE_VAULT = f"{FIELD}.vault"
_RIGHTS_COUNT_WITHIN = timedelta(minutes=10)
"""What Azure says of role assignments: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting."""


def require_deliverable(role: Role, ask: DeliveryAsk | None) -> str | None:
    """Returns the vault to which a lease of this ask is delivered; ``None`` if it is answered. Raises ``Malformed``."""
    delivery = role.delivery
    if delivery is None:
        if ask is not None:
            raise Malformed(Fault(FIELD, "the role names no vault: leave the field out"))
        return None
    if ask is None and not delivery.required:
        return None
    wanted = ask.vault if ask is not None else None
    if wanted is None:
        return delivery.vaults[0]
    if wanted.lower() not in delivery.vaults:
        raise Malformed(Fault(_AT_THE_VAULT, "is none of the role's vaults"))
    return wanted.lower()


def with_delivery(ports: Ports, role: Role, lease: Lease, vault: str | None) -> Lease:
    """Returns the planned lease with where its credential will lie. ``None``: it is answered."""
    if vault is None or role.delivery is None:
        return lease
    part = ports.courier.plan(role.delivery, vault, lease.id, lease.known_holder.object_id)
    return lease.knowing(part, _place(ports, lease))


def _place(ports: Ports, lease: Lease) -> int:
    found = ports.courier.part_of(lease)
    return len(lease.parts) if found is None else found[0]


@dataclass(frozen=True, slots=True)
class Delivering:
    """One worker's delivery of a lease. ``role`` is as it was filled for the lease."""

    ports: Ports
    role: Role

    @classmethod
    def of(cls, ports: Ports, role: Role, lease: Lease) -> Delivering | None:
        """Returns ``None`` if the lease is not delivered."""
        return cls(ports, role) if ports.courier.part_of(lease) is not None else None

    async def require_name(self, lease: Lease, *, deadline: float) -> None:
        """Raises ``Conflict`` if the secret's name is another's, or leases lie there that were granted something else.

        Those that it succeeds may have been granted something else: their role has changed, and whoever reads the newest
        version gets what the role of today grants. If the lease has a secret of its own, makes no call.
        """
        for other_id in await self.ports.courier.require_name(lease, deadline=deadline):
            try:
                other = await self.ports.leases.get(other_id)
            except Unreadable:
                continue
            if other is None or not other.state.is_open or _succeeds(lease, other):
                continue
            if other.target_digest != lease.target_digest:
                sentence = "A live lease has a version of this secret, and was granted something else: the ask differs."
                raise Conflict(sentence, code="secret_name_taken")

    async def put(self, lock: LeaseLock, credential: Credential, *, begins: datetime, deadline: float) -> None:
        """Puts the credential there. The lock's next move stores the version. ``begins``: when the lease's time does.

        Raises ``Conflict``, ``Upstream``.
        """
        lease = lock.lease
        delivery = self.role.delivery
        if delivery is None:
            raise TypeError(f"{lease.id} has no vault")
        ports = self.ports
        fields: Mapping[str, Any] = credential.fields()
        part = await ports.courier.deliver(
            lease,
            Content(credential.type, fields, delivery.format),
            begins=begins,
            expires=begins + timedelta(seconds=lease.ttl),
            deadline=deadline,
            is_patient=self._rights_are_fresh(),
        )
        lock.note(part, _place(ports, lease))
        if self._asks_may_differ(lease):
            # Two that have begun at once have not seen one another before: now each sees the other.
            await self.require_name(lease, deadline=deadline)

    def _asks_may_differ(self, lease: Lease) -> bool:
        is_shared = self.role.delivery is not None and self.role.delivery.is_shared
        return is_shared and bool(lease.parameters or lease.within)

    def _rights_are_fresh(self) -> bool:
        since = self.role.delivers_since
        return since is not None and self.ports.now() < since + _RIGHTS_COUNT_WITHIN


def _succeeds(lease: Lease, other: Lease) -> bool:
    """Returns whether an event rule issues the lease as a successor of ``other``, or of one that has succeeded that."""
    return lease.succeeds is not None and (lease.rotating_rule, lease.known_holder) == (other.rotating_rule, other.known_holder)
