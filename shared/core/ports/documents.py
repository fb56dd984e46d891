"""The ports to the stores of documents that an administrator writes, such as roles, and of what is stored beside roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from shared.core.audit import AuditEvent
from shared.core.events.event_rule import EventRule
from shared.core.generation import Generation
from shared.core.names import LeaseId, RoleName
from shared.core.ports.page import Page
from shared.core.role import Role


class Presence(Enum):
    """What a write expects in the store, if that is no certain version."""

    ANY = "any"
    """Any document, or none."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Version:
    """That version of the document, as in its ``version``, and no other."""

    tag: str


type Expect = Presence | Version
"""The condition of a write."""
ANY, ABSENT = Presence.ANY, Presence.ABSENT


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deletion that was made. ``whole`` is the version that all documents together have by it.

    Empty if that is not known, or if the documents have none.
    """

    whole: str = ""


class Documents[T](Protocol):
    """A store of documents of one type, each with a name.

    A change may bring the audit event that tells of it. Both are stored together, or neither. The event is *pending* until
    somebody has recorded it in the audit trail and forgets it here. So no change is without an event, whoever dies when.
    """

    async def get(self, name: str) -> T | None:
        """Returns one document."""
        ...

    async def list(self) -> tuple[T, ...]:
        """Returns all documents, by name."""
        ...

    async def page(self, limit: int, after: str = "") -> Page[T]:
        """Returns at most ``limit`` documents by name, beginning with the first name greater than ``after``.

        The page's cursor is the ``after`` of the next page. ``limit`` is 1 to 1000. ``after`` may be any text.
        """
        ...

    async def put(self, document: T, *, expected: Expect, event: AuditEvent | None = None) -> T:
        """Stores the document. Returns it with its new version. Raises ``PreconditionFailed`` if the store has another."""
        ...

    async def delete(self, name: str, *, expected: Expect, event: AuditEvent | None = None) -> Deleted | None:
        """Deletes the document. Raises ``PreconditionFailed`` if the store has something else.

        Returns ``None`` if this call has not deleted it. Of several at once one has, if each brings an event of its own: that
        tells them apart. Without an event, one that meets another may count as made as well.
        """
        ...

    async def pending_events(self) -> tuple[AuditEvent, ...]:
        """Returns the pending events that this version can read, in the order of time."""
        ...

    async def forget_event(self, event: AuditEvent) -> None:
        """Forgets a pending event, because the audit trail has it. It need not be there."""
        ...


@dataclass(frozen=True, slots=True)
class Admissions:
    """The leases of a role that were admitted, and have not been seen active or ended since. ``version`` is as a role's."""

    leases: frozenset[LeaseId] = frozenset()
    version: str = ""


class RoleAdmissions(Protocol):
    """What only roles have: the leases that were admitted to a role with ``max_leases``."""

    async def admissions(self, role: RoleName) -> Admissions:
        """Returns the role's leases that are admitted and being made. They are stored even if there is no such role."""
        ...

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """Replaces ``former``. Raises ``LostRace`` if that has changed."""
        ...


class RolesTogether(Protocol):
    """What roles share, and take from one another. It has a version, which ``put_sharing`` changes, and nobody else."""

    async def shared_version(self) -> str:
        """Returns the version. Makes one point read. Empty if it was never changed."""
        ...

    async def put_sharing(
        self, document: Role, *, expected: Expect, judged_at: str, event: AuditEvent | None = None
    ) -> tuple[Role, str]:
        """As ``put``. Raises ``PreconditionFailed`` as well if the version is not ``judged_at``.

        Returns the version that it has by this write as well; empty if that is not known. No version ever comes back.
        """
        ...


class Roles(Documents[Role], RoleAdmissions, RolesTogether, Protocol):
    """The store of roles."""


class EventRules(Documents[EventRule], Protocol):
    """The store of event rules."""


class Generations(Protocol):
    """The store of roles' generations."""

    async def get(self, role: RoleName) -> Generation:
        """Returns the role's generation, even if there is no such role."""
        ...

    async def all(self) -> Mapping[RoleName, Generation]:
        """Returns the generations of all roles that were ever revoked."""
        ...

    async def advance(self, role: RoleName) -> Generation:
        """Raises the generation with one write, in force at once. A rise by another worker during the call counts too."""
        ...

    async def finish(self, generation: Generation) -> None:
        """Notes that none of the leases that it has overtaken is left. If it has been raised since, changes nothing."""
        ...
