"""What the broker needs from the outside, as small protocols. ``shared.cloud`` satisfies them; tests bring fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.audit import AuditEvent
from shared.core.batch import Batch, Message
from shared.core.caller import Caller
from shared.core.credential import Credential
from shared.core.footprint import Footprint
from shared.core.generation import Generation
from shared.core.issue_key import IssueKey
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.role import Role, Target


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
    """Which leases to list: ``live`` are those that have not ended. ``cursor`` is the last id of the page before."""

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
        """Leases in the order of their ids. A role or a holder reads only that one's index rows."""
        ...

    async def count_live(self, role: RoleName, at_most: int, *, since: int = 0) -> int:
        """How many leases of the role have not ended, of the generation ``since`` or later; stops counting past ``at_most``."""
        ...

    async def count_few(self, role: RoleName, at_most: int) -> int | None:
        """How many leases of the role have not ended; ``None`` when there are more, which a small part of them tells."""
        ...

    def footprints(self) -> AsyncIterator[Footprint]:
        """Of every lease that is not forgotten, ended ones as well. Reads every lease."""
        ...

    def overtaken(self, generation: Generation) -> AsyncIterator[LeaseId]:
        """The ids of the role's planned and active leases of an earlier generation. Reads the role's index rows."""
        ...

    async def room_taken(self, role: RoleName, admitted: frozenset[LeaseId], at_most: int, *, since: int = 0) -> Room:
        """Counts those of the role's leases that are ACTIVE, and the admitted ones that are PLANNED, of ``since`` or later.

        May stop counting at ``at_most``: ``planned`` is complete only below that.
        """
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
    """How many leases there were at that instant, by role and state."""

    at: datetime
    leases: Mapping[tuple[RoleName, State], int]

    def live(self, role: RoleName) -> int:
        """Those of the role that had not ended."""
        return sum(count for (name, state), count in self.leases.items() if name == role and state.is_live)


class Journal(Protocol):
    """When the sweep and the reconciliation last ran, and what was counted then."""

    async def swept(self, at: datetime, summary: Mapping[str, int]) -> None:
        """Notes that a sweep has finished."""
        ...

    async def last_sweep(self) -> tuple[datetime, Mapping[str, int]] | None:
        """When one last did, and with what result."""
        ...

    async def reconciled(self, at: datetime, summary: Mapping[str, int]) -> None:
        """Notes that a reconciliation has finished."""
        ...

    async def last_reconciliation(self) -> tuple[datetime, Mapping[str, int]] | None:
        """When one last did, and with what result."""
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


@dataclass(frozen=True, slots=True)
class Minted:
    """What an issuer has made: the credential, and a footprint that now knows every id."""

    credential: Credential
    footprint: Footprint
    ready: bool = False
    """Whether the credential has been seen to work."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to mint: for which lease, and until when a secret may work at the very latest."""

    lease_id: LeaseId
    target: Target
    secret_end: datetime
    wait_until: float
    """On the monotonic clock: no call to Azure begins later than this."""


@dataclass(frozen=True, slots=True)
class SecretOrder:
    """A fresh secret for a lease that has one: until when it may work at the very latest.

    ``young``: what the footprint names may be too fresh for all of Azure's replicas to know. ``wait_until`` as in ``Order``.
    """

    lease_id: LeaseId
    secret_end: datetime
    young: bool
    wait_until: float


class Issuer(Protocol):
    """Mints one kind of credential and takes it back. Any method may be called again after it died half-way."""

    def plan(self, order: Order) -> Footprint:
        """Names everything that ``mint`` will make. Touches nothing."""
        ...

    async def mint(self, order: Order, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Makes it. Calls ``note`` with a footprint that says more whenever Azure has told an id.

        Raises ``Upstream`` when it cannot be done; nothing is then under way any more. Raises ``Rejected`` only when nothing
        at all was begun.
        """
        ...

    async def locate(self, footprint: Footprint, *, young: bool, wait_until: float) -> Footprint:
        """The footprint with the ids of what its names lead to, to be stored before anything is deleted.

        Makes no call when it knows them all. ``young`` as for ``undo``.
        """
        ...

    async def undo(self, footprint: Footprint, *, young: bool, wait_until: float, again: bool = False) -> bool:
        """Deletes all of it. Says whether it met everything that the footprint names.

        Absence is success. A ``young`` object may be absent only because Azure's replicas have not heard of it: what is absent
        is then asked for again for some seconds. ``again``: an earlier attempt may have deleted some of it just now, so that
        the recycle bin, too, may not have heard of it. Tries every part, then raises the first ``Upstream`` met.
        """
        ...

    async def reissue(self, order: SecretOrder, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Adds a secret beside those that there are, untried. Calls ``note`` as soon as its id is known.

        An answer that is lost is not asked for again: that would make one more. Raises ``Upstream``.
        """
        ...

    async def prove(self, credential: Credential, *, wait_until: float) -> bool:
        """Whether the credential is seen to work dependably before ``wait_until``, on the monotonic clock. Changes nothing."""
        ...

    async def retire(self, order: SecretOrder, footprint: Footprint, *, keeping: Footprint | None = None) -> bool:
        """Removes the secret that the footprint names and, where there may be several, the lease's others; not the one to keep.

        Says whether it is sure that no other is left. Tries all of them, then raises the first ``Upstream`` met.
        """
        ...

    async def resolve(self, target: Target) -> Target:
        """The target with what its names mean in Azure today. Raises ``Malformed`` with each that means nothing."""
        ...


class Issuers(Protocol):
    """The issuer for each kind of target and footprint."""

    def for_target(self, target: Target) -> Issuer:
        """By the target's type."""
        ...

    def for_footprint(self, footprint: Footprint) -> Issuer:
        """By the footprint's type."""
        ...
