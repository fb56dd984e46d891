"""The name of a shared secret: all leases that live under it are one role's, and were granted the same.

Two asks at once do not see one another's versions in the vault. So each works under a claim, which says what the name stands
for. An ask that finds another claim takes it over, lists the versions after that, and so sees whatever was put there before.
Whatever is put there later finds, after it was put, that its claim is not the same any more. So of two asks that differ at most
one delivers, whoever comes first. A claim keeps nobody out, and a worker that dies leaves nothing that is stuck.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.broker.ports import Ports
from shared.core.errors import Conflict, LostRace, Unreadable
from shared.core.lease import Lease
from shared.core.names import LeaseId
from shared.core.ports.secret_names import NameClaim, SecretName

_CODE = "secret_name_taken"
_TRIES = 5


@dataclass(slots=True)
class SharedName:
    """One worker's hold on the name of one lease. A lease with a secret of its own has no such name, and needs no call."""

    ports: Ports
    _held: NameClaim | None = field(default=None, init=False)

    async def take(self, lease: Lease, *, deadline: float) -> None:
        """Takes the name once. Raises ``Conflict`` if it is another's, or leases live there that were granted something else.

        Makes a point read and lists the versions. If the name is new or was last granted for something else, it makes a write,
        and in the second case a read and a list more. Raises ``Unreadable``, ``Upstream``.
        """
        name = self.ports.courier.shared_name(lease)
        if name is None or self._held is not None:
            return
        for _ in range(_TRIES):
            try:
                self._held = await self._taken(name, lease, deadline)
            except LostRace:
                continue
            return
        raise _overtaken()

    async def require_kept(self, lease: Lease) -> None:
        """Raises ``Conflict`` if the name was granted for something else since it was taken. Makes one point read."""
        name = self.ports.courier.shared_name(lease)
        if name is None:
            return
        if self._held is None:
            raise TypeError(f"{lease.id} has not taken its name")
        found = await self.ports.secret_names.find(name)
        if found is None or found.version != self._held.version:
            raise _overtaken()

    async def _taken(self, name: SecretName, lease: Lease, deadline: float) -> NameClaim:
        found = await self.ports.secret_names.find(name)
        if found is not None and found.is_for(lease.id, lease.target_digest):
            await self._require_free(lease, deadline)
            return found
        if found is not None:
            # Who is refused takes nothing over: others who work under the claim would be refused as well.
            await self._refuse_beside(lease, [found.lease])
            await self._require_free(lease, deadline)
        held = await self.ports.secret_names.claim(name, NameClaim(lease.id, lease.target_digest), former=found)
        await self._require_free(lease, deadline)
        return held

    async def _require_free(self, lease: Lease, deadline: float) -> None:
        await self._refuse_beside(lease, await self.ports.courier.require_name(lease, deadline=deadline))

    async def _forerunners(self, lease: Lease) -> set[LeaseId]:
        """Returns whom the lease succeeds, one after the other, as far as their rows are there. Most succeed nobody."""
        found: set[LeaseId] = set()
        each: Lease | None = lease
        while each is not None and each.succeeds is not None and each.succeeds not in found:
            found.add(each.succeeds)
            each = await self.ports.leases.get(each.succeeds)
        return found

    async def _refuse_beside(self, lease: Lease, others: Iterable[LeaseId]) -> None:
        for other_id in others:
            try:
                other = await self.ports.leases.get(other_id)
            except Unreadable:
                continue
            if other is None or not other.state.is_open or not _differs(other, lease):
                continue
            if other.id not in await self._forerunners(lease):
                sentence = "A live lease has a version of this secret, and was granted something else: the ask differs."
                raise Conflict(sentence, code=_CODE)


def _differs(one: Lease, other: Lease) -> bool:
    return (one.id.role, one.target_digest) != (other.id.role, other.target_digest)


def _overtaken() -> Conflict:
    return Conflict("Another ask has taken this secret's name meanwhile, and is granted something else.", code=_CODE)
