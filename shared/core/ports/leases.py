"""The port to the store of leases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.footprint import Footprint
from shared.core.generation import Generation
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.outgoing.event import OutgoingEvent
from shared.core.ports.outbox import WaitingEvent
from shared.core.ports.page import Page
from shared.core.reach import Reach


@dataclass(frozen=True, slots=True)
class LeaseQuery:
    """Which leases to list: ``live`` are those that have not ended, but for pooled ones; ``standing`` are those whose objects
    must be there (``STANDING``). ``cursor`` is the place of the last lease of the page before (``LeaseView.place``): what is
    older comes next, be the lease itself still among them or not.
    """

    role: RoleName | None = None
    holder: ObjectId | None = None
    tenant: ObjectId | None = None
    """The holder's. An object id means something within its tenant alone."""
    state: State | None = None
    live: bool = False
    standing: bool = False
    limit: int = 100
    cursor: LeaseId | None = None
    reach: Reach | None = None
    """If there is one, only leases that have not ended are told, by the age of their ids, and the cursor is such an id."""


@dataclass(frozen=True, slots=True)
class GrantedLease:
    """A lease that was granted something at a scope. It has not ended. ``is_held``: somebody holds it, so it is in no pool."""

    id: LeaseId
    is_held: bool


@dataclass(frozen=True, slots=True)
class Room:
    """How many leases of a role take room, and which of those that were admitted are PLANNED still."""

    taken: int
    planned: frozenset[LeaseId]


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease that takes room among its holder's. ``state`` is ``None`` if only a later version of the broker knows it."""

    id: LeaseId
    state: State | None
    generation: int


class Leases(Protocol):
    """The store of leases. Each write is one transaction over the lease and its index rows.

    A row that is damaged, or a later version's, is ``Unreadable`` to whoever asks for it, and is left out where many are read.

    ``open`` and ``swap`` give the lease back with its new version. Both may be repeated after a lost answer: a write that this
    very call has made already counts as made. Storage trouble is ``Throttled``, ``Unavailable`` or ``Unreachable``.
    """

    async def open(self, lease: Lease, key: IdempotencyKey | None = None) -> Lease:
        """Stores a new lease, and with it the key that stands for it: a new one, or one that replaces its former version.

        The key lies beside the lease, which has its digest. Raises ``LostRace`` when another lease has the id, or the key.
        """
        ...

    async def point(self, key: IdempotencyKey) -> IdempotencyKey:
        """Stores a key alone: a new one, or one that replaces its former version. Returns it with its new version.

        Its lease lies in another partition, and may not be stored, or have the key's digest, before the next write. Raises
        ``LostRace`` if another request has stored the key meanwhile.
        """
        ...

    async def find_key(self, digest: str) -> IdempotencyKey | None:
        """The key of that digest, be it past its time."""
        ...

    async def swap(self, lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        """Replaces ``former`` if it is still as it was; raises ``LostRace`` when not.

        The events that tell of the move are stored with it, and are due at once: both are stored, or neither is.
        """
        ...

    async def get(self, lease_id: LeaseId) -> Lease | None:
        """One lease."""
        ...

    async def remove(self, lease: Lease) -> None:
        """Forgets an ended lease, with all its rows and the key that points to it. A key in another partition goes first.

        One that is gone already is no error; a changed one is ``LostRace``.
        """
        ...

    async def forget_keys(self, now: datetime) -> None:
        """Forgets keys that are past their time and lie in other partitions than their leases, which may never have come."""
        ...

    def due(self, now: datetime) -> AsyncIterator[LeaseId | WaitingEvent]:
        """The ids of those with ``due_at`` up to now, oldest first within each partition. Reads nothing else.

        Among them are the events of the outbox that are due.
        """
        ...

    async def list(self, query: LeaseQuery) -> Page[LeaseView]:
        """Leases, the newest first (by the age of ``LeaseView.place``). A role or a holder reads only that one's index rows.

        Of live ones no row of one that has ended is read. With a ``reach``, the index rows of its scopes are read, and the row
        of each lease that is told.
        """
        ...

    def granted(self, reach: Reach) -> AsyncIterator[GrantedLease]:
        """The leases that the reach asks for, each once, in no order. Reads the index rows of its scopes, and no lease.

        A lease that an older version has just ended may be among them.
        """
        ...

    async def count_live(self, role: RoleName, at_most: int, *, since: int = 0, pooled: bool = False) -> int:
        """How many leases of the role have not ended, of the generation ``since`` or later; stops counting past ``at_most``.

        Those that were made for a pool, or are being made, are nobody's, and count only if ``pooled`` says so.
        """
        ...

    async def count_few(self, role: RoleName, at_most: int) -> int | None:
        """How many leases of the role have not ended, those for its pool left out; ``None`` when a small part tells of more."""
        ...

    def footprints(self) -> AsyncIterator[tuple[LeaseId, Footprint | None]]:
        """Each part of every lease that is not forgotten, of ended ones as well. Reads every lease.

        ``None`` for a lease that cannot be read.
        """
        ...

    def overtaken(self, generation: Generation) -> AsyncIterator[LeaseId]:
        """The ids of the role's leases of an earlier generation that nobody ends yet. Reads the role's index rows."""
        ...

    async def room_taken(self, role: RoleName, admitted: frozenset[LeaseId], at_most: int, *, since: int = 0) -> Room:
        """Counts the role's leases that are ACTIVE or PREPARED, and the admitted ones that are PLANNED, of ``since`` or later.

        May stop counting at ``at_most``: ``planned`` is complete only below that.
        """
        ...

    async def held_by(self, tenant: ObjectId, holder: ObjectId) -> Sequence[HeldLease]:
        """The holder's leases, of all roles, that are PLANNED, PREPARED or ACTIVE. Reads the holder's index rows."""
        ...

    async def align(self, at_most: int) -> int:
        """Brings up to so many leases whose index rows are an older version's, or belie them, into today's form.

        Gives how many were not as they should be. Forgets index rows of leases that are gone. Reads every row.
        """
        ...

    async def stuck(self, at_most: int) -> tuple[LeaseView, ...]:
        """So many of the leases that are STUCK, the newest first. Where none is, one read that finds nothing."""
        ...

    async def count(self) -> Mapping[tuple[RoleName, State], int]:
        """How many leases there are, by role and state. Reads every lease's index row."""
        ...
