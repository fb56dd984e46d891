"""The ports to the stores of what an administrator configures: documents such as roles, and what is kept beside each role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from shared.core.generation import Generation
from shared.core.names import LeaseId, RoleName
from shared.core.role import Role


class Presence(Enum):
    """What stands in the store before a write, where that is no version."""

    ANY = "any"
    """Whatever stands there, or nothing."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Version:
    """That version of the document, as its ``version`` says it, and no other."""

    tag: str


type Expect = Presence | Version
"""What a write is made on condition of."""
ANY, ABSENT = Presence.ANY, Presence.ABSENT


class Documents[T](Protocol):
    """A store of documents of one type, each with a name."""

    async def get(self, name: str) -> T | None:
        """One of them."""
        ...

    async def list(self) -> tuple[T, ...]:
        """All of them, by name."""
        ...

    async def put(self, document: T, *, expected: Expect) -> T:
        """Stores it, and gives it with its new version. Raises ``PreconditionFailed`` when something else stands there."""
        ...

    async def delete(self, name: str, *, expected: Expect) -> bool:
        """Forgets it; says whether it was there. Raises ``PreconditionFailed`` when something else stands there."""
        ...


@dataclass(frozen=True, slots=True)
class Admissions:
    """The leases of a role that were admitted and not seen to be active, or over, since. ``version`` as of a role."""

    leases: frozenset[LeaseId] = frozenset()
    version: str = ""


class RoleAdmissions(Protocol):
    """What only roles have: who was admitted to one with ``max_leases``."""

    async def admissions(self, role: RoleName) -> Admissions:
        """Which of the role's leases are admitted and being made. They are kept whether or not there is such a role."""
        ...

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """Replaces ``former`` if it is still as it was; raises ``LostRace`` when not."""
        ...


class Roles(Documents[Role], RoleAdmissions, Protocol):
    """The store of roles."""


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
