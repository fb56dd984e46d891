"""Leases in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime

from shared.core.errors import LostRace, Unreadable
from shared.core.footprint import Footprint
from shared.core.generation import Generation
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Lease, LeaseView, State
from shared.core.life import STANDING
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.outgoing.event import OutgoingEvent
from shared.core.ports.leases import GrantedLease, HeldLease, LeaseQuery, Room
from shared.core.ports.outbox import WaitingEvent
from shared.core.ports.page import Page
from shared.core.reach import Reach
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemoryLeases:
    """Satisfies ``Leases``. Like the real store it keeps no reference to what it was given."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[LeaseId, Lease] = {}
        self.keys: dict[str, IdempotencyKey] = {}
        self.outbox: dict[str, WaitingEvent] = {}
        """The events that wait, by id."""
        self.unreadable: set[LeaseId] = set()
        """Leases whose own rows are damaged; what listings read of them is not."""
        self._calls = calls
        self._versions = Versions()

    async def open(self, lease: Lease, key: IdempotencyKey | None = None) -> Lease:
        """See the port."""
        return await self._calls.through("leases.open", lambda: self._open(lease, key), lease)

    async def point(self, key: IdempotencyKey) -> IdempotencyKey:
        """See the port."""
        return await self._calls.through("leases.point", lambda: self._point(key), key)

    async def find_key(self, digest: str) -> IdempotencyKey | None:
        """See the port."""
        return await self._calls.through("leases.find_key", lambda: self.keys.get(digest), digest)

    async def swap(self, lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        """See the port."""
        return await self._calls.through("leases.swap", lambda: self._swap(lease, former, events), lease)

    async def get(self, lease_id: LeaseId) -> Lease | None:
        """See the port."""
        return await self._calls.through("leases.get", lambda: self._get(lease_id), lease_id)

    async def remove(self, lease: Lease) -> None:
        """See the port. Two writes where the key lies in another partition."""
        found = self.keys.get(lease.key_digest)
        if found is not None and found.lease_id == lease.id and not found.is_beside:
            await self._calls.through("leases.forget_key", lambda: self._forget_key(found), found)
        await self._calls.through("leases.remove", lambda: self._remove(lease), lease)

    async def forget_keys(self, now: datetime) -> None:
        """See the port."""
        await self._calls.through("leases.forget_keys", lambda: self._forget_keys(now))

    async def due(self, now: datetime) -> AsyncIterator[LeaseId | WaitingEvent]:
        """See the port."""
        for due in await self._calls.through("leases.due", lambda: self._due(now)):
            yield due

    async def list(self, query: LeaseQuery) -> Page[LeaseView]:
        """See the port."""
        return await self._calls.through("leases.list", lambda: self._list(query), query)

    async def count_live(self, role: RoleName, at_most: int, *, since: int = 0, pooled: bool = False) -> int:
        """See the port."""
        count = lambda: self._count_live(role, at_most, since, pooled=pooled)  # noqa: E731
        return await self._calls.through("leases.count_live", count, role)

    async def count_few(self, role: RoleName, at_most: int) -> int | None:
        """See the port."""
        count = await self._calls.through("leases.count_few", lambda: self._count_live(role, at_most, 0), role)
        return count if count <= at_most else None

    async def footprints(self) -> AsyncIterator[tuple[LeaseId, Footprint | None]]:
        """See the port."""
        for stored in await self._calls.through("leases.footprints", self._footprints):
            yield stored

    async def overtaken(self, generation: Generation) -> AsyncIterator[LeaseId]:
        """See the port."""
        for lease_id in await self._calls.through("leases.overtaken", lambda: self._overtaken(generation), generation):
            yield lease_id

    async def room_taken(self, role: RoleName, admitted: frozenset[LeaseId], at_most: int, *, since: int = 0) -> Room:
        """See the port."""
        return await self._calls.through("leases.room_taken", lambda: self._room_taken(role, admitted, since), role, at_most)

    async def held_by(self, tenant: ObjectId, holder: ObjectId) -> Sequence[HeldLease]:
        """See the port."""
        return await self._calls.through("leases.held_by", lambda: self._held_by(tenant, holder), holder)

    async def granted(self, reach: Reach) -> AsyncIterator[GrantedLease]:
        """See the port."""
        for lease in await self._calls.through("leases.granted", lambda: self._granted(reach), reach.scope):
            yield lease

    async def align(self, at_most: int) -> int:
        """See the port."""
        return await self._calls.through("leases.align", lambda: 0, at_most)

    async def stuck(self, at_most: int) -> tuple[LeaseView, ...]:
        """See the port."""
        page = await self._calls.through(
            "leases.stuck", lambda: self._list(LeaseQuery(state=State.STUCK, limit=at_most)), at_most
        )
        return page.items

    async def count(self) -> Mapping[tuple[RoleName, State], int]:
        """See the port."""
        return await self._calls.through("leases.count", self._inventory)

    def _get(self, lease_id: LeaseId) -> Lease | None:
        if lease_id in self.unreadable:
            raise Unreadable(f"lease {lease_id}")
        return self.rows.get(lease_id)

    def _footprints(self) -> tuple[tuple[LeaseId, Footprint | None], ...]:
        unread: tuple[Footprint | None, ...] = (None,)
        found = ((each.id, unread if each.id in self.unreadable else each.parts) for each in self.rows.values())
        return tuple((lease_id, part) for lease_id, parts in found for part in parts)

    def _open(self, lease: Lease, key: IdempotencyKey | None) -> Lease:
        if lease.id in self.rows:
            raise LostRace
        if key is not None:
            assert key.is_beside, "the two would lie in different partitions"
            assert (key.lease_id, key.digest) == (lease.id, lease.key_digest)
            self._give(key)
        return self._keep(lease)

    def _point(self, key: IdempotencyKey) -> IdempotencyKey:
        assert not key.is_beside, "it would be read as if its lease had been written with it"
        return self._give(key)

    def _give(self, key: IdempotencyKey) -> IdempotencyKey:
        found = self.keys.get(key.digest)
        if key.version != (found.version if found else ""):
            raise LostRace
        self.keys[key.digest] = replace(key, version=self._versions.following(key.digest))
        return self.keys[key.digest]

    def _forget_key(self, key: IdempotencyKey) -> None:
        if self.keys.get(key.digest) == key:
            del self.keys[key.digest]

    def _forget_keys(self, now: datetime) -> None:
        for key in [each for each in self.keys.values() if not each.is_beside and each.until < now]:
            self._forget_key(key)

    def _swap(self, lease: Lease, former: Lease, events: Sequence[OutgoingEvent]) -> Lease:
        self._require_unchanged(former)
        for event in events:
            put_out(self.outbox, event, lease.id.shard)
        return self._keep(lease)

    def _remove(self, lease: Lease) -> None:
        if lease.id in self.rows:
            self._require_unchanged(lease)
            del self.rows[lease.id]
            if lease.key_digest in self.keys and self.keys[lease.key_digest].lease_id == lease.id:
                del self.keys[lease.key_digest]

    def _require_unchanged(self, lease: Lease) -> None:
        found = self.rows.get(lease.id)
        if found is None or found.version != lease.version:
            raise LostRace

    def _keep(self, lease: Lease) -> Lease:
        self.rows[lease.id] = replace(lease, metadata=dict(lease.metadata), version=self._versions.following(lease.id))
        return self.rows[lease.id]

    def _due(self, now: datetime) -> tuple[LeaseId | WaitingEvent, ...]:
        leases = {(it.id.shard, it.due_at, str(it.id)): it.id for it in self.rows.values()}
        events = {(it.shard, it.due_at, f"event_{it.id}"): it for it in self.outbox.values()}
        due: list[tuple[tuple[str, datetime, str], LeaseId | WaitingEvent]] = [*leases.items(), *events.items()]
        return tuple(each for _, each in sorted((it for it in due if it[0][1] <= now), key=lambda it: it[0]))

    def _granted(self, reach: Reach) -> tuple[GrantedLease, ...]:
        found = (lease for lease in self.rows.values() if _is_met(lease, reach))
        return tuple(GrantedLease(lease.id, lease.holder is not None) for lease in found)

    def _list(self, query: LeaseQuery) -> Page[LeaseView]:
        if query.reach is not None:
            return self._list_by_scope(query, query.reach)
        newest = sorted(self.rows.values(), key=lambda each: (each.place.age, each.id))
        found = [_view(lease) for lease in newest if _matches(lease, query)]
        shown = tuple(found[: query.limit])
        return Page(shown, shown[-1].place if len(found) > query.limit else None)

    def _list_by_scope(self, query: LeaseQuery, reach: Reach) -> Page[LeaseView]:
        newest = sorted(self.rows.values(), key=lambda each: (each.id.age, each.id))
        behind = (each for each in newest if query.cursor is None or each.id.age > query.cursor.age)
        found = [_view(each) for each in behind if _is_met(each, reach) and _matches(each, replace(query, cursor=None))]
        shown = tuple(found[: query.limit])
        return Page(shown, shown[-1].id if len(found) > query.limit else None)

    def _count_live(self, role: RoleName, at_most: int, since: int, *, pooled: bool = False) -> int:
        of_role = (lease for lease in self.rows.values() if lease.id.role == role and lease.generation >= since)
        counted = sum(lease.state.is_live and (pooled or lease.holder is not None) for lease in of_role)
        return min(counted, at_most + 1)

    def _overtaken(self, generation: Generation) -> tuple[LeaseId, ...]:
        of_role = (lease for lease in self.rows.values() if lease.id.role == generation.role)
        return tuple(sorted(lease.id for lease in of_role if lease.is_overtaken(generation.number)))

    def _room_taken(self, role: RoleName, admitted: frozenset[LeaseId], since: int) -> Room:
        of_role = (lease for lease in self.rows.values() if lease.id.role == role and lease.generation >= since)
        states = {lease.id: lease.state for lease in of_role}
        planned = frozenset(lease_id for lease_id in admitted if states.get(lease_id) is State.PLANNED)
        taken = sum(state in {State.ACTIVE, State.PREPARED} for state in states.values())
        return Room(len(planned) + taken, planned)

    def _held_by(self, tenant: ObjectId, holder: ObjectId) -> Sequence[HeldLease]:
        takes_room = {State.PLANNED, State.PREPARED, State.ACTIVE}
        theirs = (each for each in self.rows.values() if each.holder is not None and each.state in takes_room)
        return [
            HeldLease(each.id, each.state, each.generation)
            for each in theirs
            if each.holder is not None and (each.holder.tenant_id, each.holder.object_id) == (tenant, holder)
        ]

    def _inventory(self) -> Mapping[tuple[RoleName, State], int]:
        return Counter((lease.id.role, lease.state) for lease in self.rows.values())


def put_out(outbox: dict[str, WaitingEvent], event: OutgoingEvent, shard: str) -> None:
    """Puts a new event into the outbox."""
    outbox[event.id] = WaitingEvent(event.id, shard, event.at, json.dumps(event.as_document()))


def _is_met(lease: Lease, reach: Reach) -> bool:
    """As the kinds that grant scopes say it: each names them in the assignments of its footprint."""
    granted = (each.scope for each in getattr(lease.footprint, "assignments", ()))
    return lease.state is not State.ENDED and reach.meets(granted)


def _matches(lease: Lease, query: LeaseQuery) -> bool:
    wanted = (
        query.role in {None, lease.id.role},
        query.holder in {None, lease.holder.object_id if lease.holder else ""},
        query.tenant in {None, lease.holder.tenant_id if lease.holder else ""},
        query.state in {None, lease.state},
        lease.state.is_somebodys or not query.live,
        lease.state in STANDING or not query.standing,
        query.cursor is None or lease.place.age > query.cursor.age,
    )
    return all(wanted)


def _view(lease: Lease) -> LeaseView:
    return LeaseView(**{each.name: getattr(lease, each.name) for each in fields(LeaseView)})
