"""The ports to the stores of what an administrator configures: roles, and what is kept beside each role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.core.generation import Generation
from shared.core.names import LeaseId, RoleName
from shared.core.role import Role


@dataclass(frozen=True, slots=True)
class Admissions:
    """The leases of a role that were admitted and not seen to be active, or over, since. ``version`` as of a role."""

    leases: frozenset[LeaseId] = frozenset()
    version: str = ""


class Roles(Protocol):
    """The store of roles."""

    async def get(self, name: RoleName) -> Role | None:
        """One role."""
        ...

    async def list(self) -> tuple[Role, ...]:
        """All of them, by name."""
        ...

    async def put(self, role: Role, *, expected: str | None) -> Role:
        """Stores it: ``expected`` is the version to replace, ``""`` for none may exist, ``None`` for any.

        Raises ``PreconditionFailed``.
        """
        ...

    async def delete(self, name: RoleName, *, expected: str | None) -> bool:
        """Forgets it; says whether it was there. Raises ``PreconditionFailed``."""
        ...

    async def admissions(self, role: RoleName) -> Admissions:
        """Which of the role's leases are admitted and being made. They are kept whether or not there is such a role."""
        ...

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """Replaces ``former`` if it is still as it was; raises ``LostRace`` when not."""
        ...


class Generations(Protocol):
    """The store of roles' generations."""

    async def get(self, role: RoleName) -> Generation:
        """The role's, be there such a role or not."""
        ...

    async def all(self) -> Mapping[RoleName, Generation]:
        """Those of all roles that were ever revoked."""
        ...

    async def advance(self, role: RoleName) -> Generation:
        """Raises it: when this returns it is higher than when it was called, whoever did it. One write, in force at once."""
        ...

    async def finish(self, generation: Generation) -> None:
        """Notes that nothing it has overtaken is left; changes nothing if it has been raised since."""
        ...
