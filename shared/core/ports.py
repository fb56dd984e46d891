"""What the broker needs from the outside, as small protocols. ``shared.cloud`` satisfies them; tests bring fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.audit import AuditEvent
from shared.core.batch import Batch, Message
from shared.core.caller import Caller
from shared.core.footprint import Footprint
from shared.core.generation import Generation
from shared.core.issue_key import IssueKey
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.role import Role


class Clock(Protocol):
    """Time. Nothing else in the broker reads it."""

    def now(self) -> datetime:
        """The wall clock, in UTC, to the millisecond."""
        ...

    def monotonic(self) -> float:
        """Seconds since some instant; never jumps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Lets others work meanwhile."""
        ...


class Ids(Protocol):
    """Chance. Nothing else in the broker draws it."""

    def ulid(self, now: datetime) -> str:
        """26 lower-case characters that sort by time."""
        ...

    def guid(self) -> str:
        """A random GUID."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1)."""
        ...


class Verifier(Protocol):
    """Turns a bearer token into a caller."""

    async def verify(self, token: str) -> Caller:
        """Raises ``Unauthenticated`` for a token that is not good, ``Unreachable`` when the keys cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Page[T]:
    """A part of a listing; ``cursor`` asks for the next, ``None`` at the end."""

    items: tuple[T, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class LeaseQuery:
    """Which leases to list: ``live`` are those that have not ended. ``cursor`` is the last id of the page before: what is older
    than that comes next, be the lease itself still among them or not.
    """

    role: RoleName | None = None
    holder: ObjectId | None = None
    tenant: ObjectId | None = None
    """The holder's. An object id means something within its tenant alone."""
    state: State | None = None
    live: bool = False
    limit: int = 100
    cursor: LeaseId | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How many leases of a role take room, and which of those that were admitted are PLANNED still."""

    taken: int
    planned: frozenset[LeaseId]


@dataclass(frozen=True, slots=True)
class Admissions:
    """The leases of a role that were admitted and not seen to be active, or over, since. ``version`` as of a role."""

    leases: frozenset[LeaseId] = frozenset()
    version: str = ""


class Leases(Protocol):
    """The store of leases. Each write is one transaction over the lease and its index rows.

    A row that is damaged, or a later version's, is ``Unreadable`` to whoever asks for it, and is left out where many are read.

    ``open`` and ``swap`` give the lease back with its new version. Both may be repeated after a lost answer: a write that this
    very call has made already counts as made. Storage trouble is ``Throttled``, ``Unavailable`` or ``Unreachable``.
    """

    async def open(self, lease: Lease, key: IssueKey | None = None) -> Lease:
        """Stores a new lease, and with it the key that stands for it: a new one, or one that replaces its former version.

        The key's shard is the lease's. Raises ``LostRace`` when another lease has the id, or the key.
        """
        ...

    async def find_key(self, digest: str) -> IssueKey | None:
        """The key of that digest, be it past its time."""
        ...

    async def swap(self, lease: Lease, *, former: Lease) -> Lease:
        """Replaces ``former`` if it is still as it was; raises ``LostRace`` when not."""
        ...

    async def get(self, lease_id: LeaseId) -> Lease | None:
        """One lease."""
        ...

    async def remove(self, lease: Lease) -> None:
        """Forgets an ended lease, with all its rows and the key that stands for it.

        One that is gone already is no error; a changed one is ``LostRace``.
        """
        ...

    def due(self, now: datetime) -> AsyncIterator[LeaseId]:
        """The ids of those with ``due_at`` up to now, oldest first within each partition. Reads nothing else."""
        ...

    async def list(self, query: LeaseQuery) -> Page[LeaseView]:
        """Leases, the newest first (``LeaseId.age``). A role or a holder reads only that one's index rows.

        Of live ones no row of one that has ended is read.
        """
        ...

    async def count_live(self, role: RoleName, at_most: int, *, since: int = 0) -> int:
        """How many leases of the role have not ended, of the generation ``since`` or later; stops counting past ``at_most``."""
        ...

    async def count_few(self, role: RoleName, at_most: int) -> int | None:
        """How many leases of the role have not ended; ``None`` when there are more, which a small part of them tells."""
        ...

    def footprints(self) -> AsyncIterator[tuple[LeaseId, Footprint | None]]:
        """Of every lease that is not forgotten, ended ones as well; ``None`` for one that cannot be read. Reads every lease."""
        ...

    def overtaken(self, generation: Generation) -> AsyncIterator[LeaseId]:
        """The ids of the role's planned and active leases of an earlier generation. Reads the role's index rows."""
        ...

    async def room_taken(self, role: RoleName, admitted: frozenset[LeaseId], at_most: int, *, since: int = 0) -> Room:
        """Counts those of the role's leases that are ACTIVE, and the admitted ones that are PLANNED, of ``since`` or later.

        May stop counting at ``at_most``: ``planned`` is complete only below that.
        """
        ...

    async def align(self, at_most: int) -> int:
        """Brings up to so many leases whose index rows are an older version's, or belie them, into today's form.

        Gives how many were not as they should be. Forgets index rows of leases that are gone. Reads every row.
        """
        ...

    async def stuck(self, at_most: int) -> tuple[LeaseView, ...]:
        """So many of the leases that are STUCK, the newest first. Where none is, one read that finds nothing."""
        ...

    async def census(self) -> Mapping[tuple[RoleName, State], int]:
        """How many leases there are, by role and state. Reads every lease's index row."""
        ...


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


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which events to read. Times in UTC, ``since`` included, ``until`` not."""

    since: datetime
    until: datetime
    caller: ObjectId | None = None
    role: str | None = None
    lease: str | None = None
    limit: int = 100
    cursor: str | None = None


class Audit(Protocol):
    """The audit trail."""

    async def record(self, event: AuditEvent) -> None:
        """Returns when the event is durable."""
        ...

    async def read(self, query: AuditQuery) -> Page[AuditEvent]:
        """Events in the order of time. Raises ``Malformed`` for a cursor that is not one of its own."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """How many leases there were at that instant, by role and state; and a hundred at most that could not be read."""

    at: datetime
    leases: Mapping[tuple[RoleName, State], int]
    unreadable: tuple[LeaseId, ...] = ()

    def live(self, role: RoleName) -> int:
        """Those of the role that had not ended."""
        return sum(count for (name, state), count in self.leases.items() if name == role and state.is_live)


type Run = tuple[datetime, Mapping[str, int]]
"""When something last finished, and with what result."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What stands in the journal. ``overdue``: leases that the last sweep has left and that had been due for long."""

    sweep: Run | None = None
    reconciliation: Run | None = None
    count: Count | None = None
    overdue: tuple[LeaseId, ...] = ()


class Journal(Protocol):
    """When the sweep and the reconciliation last ran, and what was counted then."""

    async def noted(self) -> Noted:
        """All of it."""
        ...

    async def swept(self, at: datetime, summary: Mapping[str, int], overdue: Sequence[LeaseId] = ()) -> None:
        """Notes that a sweep has finished, and which leases are overdue: a hundred at most."""
        ...

    async def last_sweep(self) -> Run | None:
        """When one last did."""
        ...

    async def reconciled(self, at: datetime, summary: Mapping[str, int]) -> None:
        """Notes that a reconciliation has finished."""
        ...

    async def last_reconciliation(self) -> Run | None:
        """When one last did."""
        ...

    async def counted(self, count: Count) -> None:
        """Notes how many leases there are."""
        ...

    async def last_count(self) -> Count | None:
        """The last such note."""
        ...

    async def reachable(self) -> bool:
        """Whether storage answers."""
        ...


class Revocations(Protocol):
    """The queue of leases to be ended. A message may be delivered never, late, or more than once."""

    async def send(self, message: Message) -> None:
        """Puts one message there. Storage trouble is ``Throttled``, ``Unavailable`` or ``Unreachable``."""
        ...


class Tickets(Protocol):
    """Which leases wait in the queue, so that the next sweep does not queue them again. Losing one does no harm."""

    async def note(self, batch: Batch, until: datetime) -> None:
        """Its leases wait until then at the latest. Repeating it changes nothing."""
        ...

    async def waiting(self, now: datetime) -> frozenset[LeaseId]:
        """The leases that wait; forgets the tickets that have lapsed."""
        ...

    async def forget(self, batch_id: str) -> None:
        """Its leases wait no longer. One that is not there is no error."""
        ...
