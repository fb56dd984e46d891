"""The store of leases, on Table Storage. Satisfies ``shared.core.ports.Leases``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import compress

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_alignment import ALIGNED, SCOPES_ALIGNED, Alignment, standing
from shared.cloud.storage.lease_index import LIVE, UNENDED, newest, newest_of_unaligned
from shared.cloud.storage.lease_reader import WHOLE, read_held, read_key, read_lease, read_parts
from shared.cloud.storage.lease_rows import (
    KEY_ELSEWHERE,
    NOBODYS,
    PARTITIONS,
    due_id,
    due_key,
    due_row,
    form_of_lease,
    holder_index,
    index_keys,
    index_rows,
    indexed_id,
    key_key,
    key_row,
    lease_key,
    lease_row,
    past_of,
    role_index,
    view_text,
)
from shared.cloud.storage.outbox_table import TEXT, created, due_until, read_waiting
from shared.cloud.storage.scope_index import (
    granted,
    granted_of_unaligned,
    newest_by_scope,
    newest_of_unaligned_by_scope,
)
from shared.cloud.storage.scope_rows import by_scope, scope_row_key, scope_rows
from shared.cloud.storage.stuck_index import StuckIndex
from shared.cloud.storage.table_operations import Operation, Row, create, delete, put, update
from shared.cloud.storage.tables import Table, between, etag_of
from shared.core.errors import LostRace, Uncertain, Unreadable
from shared.core.footprint import Footprint
from shared.core.generation import Generation
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import FORM, Lease, LeaseView, State
from shared.core.life import OPEN
from shared.core.names import SHARDS, LeaseId, ObjectId, RoleName, shard_of
from shared.core.outgoing.event import OutgoingEvent
from shared.core.ports.leases import GrantedLease, HeldLease, LeaseQuery, Room
from shared.core.ports.outbox import WaitingEvent
from shared.core.ports.page import Page
from shared.core.ports.system import Ids
from shared.core.reach import Reach
from shared.kinds.registry import Kinds
from shared.resilience.tasks import all_of

_FEW = 100
_TAKES_ROOM = " and ".join(f"State ne '{state}'" for state in (State.POOLED, State.ENDING, State.STUCK, State.ENDED))
"""As ACTIVE, PREPARED and PLANNED leases do, and those of a state that this version does not know."""
_IS_OPEN = " or ".join(f"State eq '{state}'" for state in OPEN)


class TableLeases:
    """See the module."""

    def __init__(self, service: TableServiceClient, ids: Ids, kinds: Kinds, name: str = "leases") -> None:
        self._table = Table(service, name, born=[ALIGNED, SCOPES_ALIGNED])
        self._alignment = Alignment(self._table)
        self._stuck = StuckIndex(self._table)
        self._ids = ids
        self._kinds = kinds

    async def open(self, lease: Lease, key: IdempotencyKey | None = None) -> Lease:
        """One transaction: five inserts, the rows of the scopes that it is granted, and the key's row where there is one."""
        write_id = self._ids.guid()
        places = by_scope(self._kinds, lease)
        lease = replace(lease, by_scope=tuple(places))
        rows = [lease_row(self._kinds, lease, write_id), due_row(lease), *index_rows(lease), *scope_rows(lease, places)]
        operations = [create(row) for row in rows]
        if key is not None:
            operations.append(update(key_row(key), key.version))
        return await self._commit(lease, write_id, operations)

    async def point(self, key: IdempotencyKey) -> IdempotencyKey:
        """One write."""
        write_id = self._ids.guid()
        version = await self._written(write_id, [update(key_row(key) | {"Write": write_id}, key.version)])
        return replace(key, version=version)

    async def find_key(self, digest: str) -> IdempotencyKey | None:
        """One point read."""
        row = await self._table.read(shard_of(digest), key_key(digest))
        return read_key(row) if row is not None else None

    async def swap(self, lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        """One transaction: the lease's row, the due row if it moves, what listings read if that changes, or moves; events.

        The rows of scopes that the lease's own row names go at its end. A lease that an older version has written gets them.
        A lease that was granted less than was planned has fewer of them, or others.
        """
        write_id = self._ids.guid()
        stood, stand = await standing(self._table, former), index_keys(lease)
        places = by_scope(self._kinds, lease)
        lease = replace(lease, by_scope=tuple(places))
        operations = [update(lease_row(self._kinds, lease, write_id), former.version)]
        if due_key(lease) != due_key(former):
            operations += [delete(due_row(former)), create(due_row(lease))]
        operations += [delete({"PartitionKey": lease.id.shard, "RowKey": key}) for key in stood if key not in stand]
        if stood != stand or view_text(lease) != view_text(former):
            operations += [put(row) for row in index_rows(lease)]
        operations += [delete(_scope_row(lease, index)) for index in former.by_scope or () if index not in places]
        less = lease.footprint != former.footprint and places != by_scope(self._kinds, former)
        if less or lease.by_scope != former.by_scope or lease.holder != former.holder:
            operations += [put(row) for row in scope_rows(lease, places)]
        operations += created(events, lease.id.shard)
        if lease.state is State.STUCK and (former.state is not State.STUCK or former.form < FORM):
            await self._stuck.note(lease.id)
        swapped = await self._commit(replace(lease, form=form_of_lease(lease)), write_id, operations)
        if former.state is State.STUCK and lease.state is State.ENDED:
            await self._stuck.forget(lease.id)
        return swapped

    async def get(self, lease_id: LeaseId) -> Lease | None:
        """One point read."""
        row = await self._table.read(lease_id.shard, lease_key(lease_id))
        return self._read(row) if row is not None else None

    async def remove(self, lease: Lease) -> None:
        """One transaction: five deletes, and the key's row if it still points to this lease.

        A lease that has not ended has rows of scopes as well. They go too.
        If the key's row lies in another partition, it goes before that. After a death in between the lease is still due.
        """
        key, stood = {"PartitionKey": lease.id.shard}, await standing(self._table, lease)
        operations = [delete(key | {"RowKey": lease_key(lease.id)}, lease.version)]
        found = await self._key_of(lease)
        if found is not None and found.lease_id == lease.id:
            forgetting = delete({"PartitionKey": found.shard, "RowKey": key_key(found.digest)}, found.version)
            if found.is_beside:
                operations.append(forgetting)
            else:
                await self._forget(forgetting)
        operations += [delete(key | {"RowKey": row_key}) for row_key in (due_key(lease), *stood)]
        operations += [delete(_scope_row(lease, index)) for index in lease.by_scope or ()]
        try:
            await self._table.write(operations)
        except LostRace:
            if await self.get(lease.id) is not None:
                raise

    async def forget_keys(self, now: datetime) -> None:
        """Sixteen range reads at once, which find no row as a rule; a write for each that is found."""
        over = f"Form eq {KEY_ELSEWHERE} and Until lt '{now.isoformat()}'"
        await all_of(*(self._forget_keys(f"{between(shard, key_key(''))} and {over}") for shard in PARTITIONS))

    async def due(self, now: datetime) -> AsyncIterator[LeaseId | WaitingEvent]:
        """Sixteen range reads at once; where nothing is due they read no row."""
        scans = [self._table.scan(due_until(shard, now), select=["RowKey", TEXT]) for shard in PARTITIONS]
        firsts = await asyncio.gather(*(anext(scan, None) for scan in scans))
        for shard, first, scan in zip(PARTITIONS, firsts, scans, strict=True):
            if first is not None:
                yield read_waiting(first, shard) or due_id(first["RowKey"])
                async for row in scan:
                    yield read_waiting(row, shard) or due_id(row["RowKey"])

    async def list(self, query: LeaseQuery) -> Page[LeaseView]:
        """Sixteen range reads at once, merged the newest first; as many more for those that have ended. See ``lease_index``.

        By scope: 32 or 48 at once, and a point read for each lease that is told. See ``scope_index``.
        """
        if query.reach is not None:
            found = await self._by_scope(query, query.reach)
            return Page(tuple(found[: query.limit]), found[query.limit - 1].id if len(found) > query.limit else None)
        of_all = query.role is None and query.holder is None
        read = newest if not of_all or await self._alignment.is_done() else newest_of_unaligned
        found = await read(self._table, query, PARTITIONS)
        shown = tuple(found[: query.limit])
        return Page(shown, shown[-1].place if len(found) > query.limit else None)

    async def granted(self, reach: Reach) -> AsyncIterator[GrantedLease]:
        """Range reads over two or three indexes, one partition after the other. See ``scope_index``."""
        if await self._alignment.is_done(SCOPES_ALIGNED):
            leases = granted(self._table, reach, PARTITIONS)
        else:
            leases = granted_of_unaligned(self._table, reach, PARTITIONS, self._kinds)
        async for lease in leases:
            yield lease

    async def align(self, at_most: int) -> int:
        """Range reads over the whole table; for each lease that is to be changed, point reads and a transaction.

        Hints of leases that are no longer stuck go as well.
        """
        async for ids in self._stuck.pages(_FEW):
            over = await all_of(*map(self._is_over, ids))
            for lease_id in compress(ids, over):
                await self._stuck.forget(lease_id)
        return await self._alignment.run(at_most, self)

    async def stuck(self, at_most: int) -> tuple[LeaseView, ...]:
        """One range read, and a point read for each lease that it tells of. Before all rows are aligned, as in ``list``."""
        if not await self._alignment.is_done():
            return (await self.list(LeaseQuery(state=State.STUCK, limit=at_most))).items
        found: list[LeaseView] = []
        async for ids in self._stuck.pages(at_most):
            rows = await all_of(*(self._table.read(each.shard, lease_key(each)) for each in ids))
            leases = (readable(self._read, row) for row in rows if row is not None)
            found += [lease for lease in leases if lease is not None and lease.state is State.STUCK]
            if len(found) >= at_most:
                break
        return tuple(found[:at_most])

    async def count_live(self, role: RoleName, at_most: int, *, since: int = 0, pooled: bool = False) -> int:
        """Sixteen range reads at once over the role's index."""
        live = UNENDED if pooled else LIVE
        # Rows of before there were generations lack the property, and meet no comparison.
        wanted = f"{live} and Generation ge {since}" if since else live
        conditions = [f"{between(shard, role_index(role))} and {wanted}" for shard in PARTITIONS]
        counting = (self._count(condition, at_most + 1, pooled=pooled) for condition in conditions)
        counts = await asyncio.gather(*counting)
        return min(sum(counts), at_most + 1)

    async def count_few(self, role: RoleName, at_most: int) -> int | None:
        """One range read, and fifteen more at once unless that has found twice its share: ids are spread evenly."""
        first, *others = [f"{between(shard, role_index(role))} and {LIVE}" for shard in PARTITIONS]
        share = 2 * at_most // SHARDS
        found = await self._count(first, share + 1)
        if found > share:
            return None
        total = found + sum(await asyncio.gather(*(self._count(condition, at_most + 1) for condition in others)))
        return total if total <= at_most else None

    async def footprints(self) -> AsyncIterator[tuple[LeaseId, Footprint | None]]:
        """Range reads over the leases' own rows, one partition after the other, in small pages."""
        for shard in PARTITIONS:
            async for row in self._table.scan(between(shard, lease_key("")), select=list(WHOLE), limit=_FEW):
                for part in readable(self._read_parts, row) or (None,):
                    yield indexed_id(row["RowKey"]), part

    def _read(self, row: Row) -> Lease:
        return read_lease(self._kinds, row)

    def _read_parts(self, row: Row) -> tuple[Footprint, ...]:
        return read_parts(self._kinds, row)

    async def overtaken(self, generation: Generation) -> AsyncIterator[LeaseId]:
        """Range reads over the role's index, one partition after the other."""
        for shard in PARTITIONS:
            condition = f"{between(shard, role_index(generation.role))} and ({_IS_OPEN})"
            # Small pages: the first lease is found soon, and nobody keeps the processor for long.
            async for row in self._table.scan(condition, select=["RowKey", "Generation"], limit=_FEW):
                if (row.get("Generation") or 0) < generation.number:
                    yield indexed_id(row["RowKey"])

    async def room_taken(self, role: RoleName, acquire: frozenset[LeaseId], at_most: int, *, since: int = 0) -> Room:
        """Sixteen range reads at once over the role's index."""
        wanted = f"{_TAKES_ROOM} and Generation ge {since}" if since else _TAKES_ROOM
        reads = (self._room(f"{between(shard, role_index(role))} and {wanted}", acquire, at_most) for shard in PARTITIONS)
        rooms = await asyncio.gather(*reads)
        return Room(sum(room.taken for room in rooms), frozenset().union(*(room.planned for room in rooms)))

    async def held_by(self, tenant: ObjectId, holder: ObjectId) -> Sequence[HeldLease]:
        """Sixteen range reads at once over the holder's index."""
        return [each for found in await all_of(*(self._held(shard, tenant, holder) for shard in PARTITIONS)) for each in found]

    async def count(self) -> Mapping[tuple[RoleName, State], int]:
        """Reads every row of the role index, and of those whose leases have ended, one partition after the other."""
        found: Counter[tuple[RoleName, State]] = Counter()
        for shard in PARTITIONS:
            found.update(await self._inventory(shard))
        return found

    async def _by_scope(self, query: LeaseQuery, reach: Reach) -> Sequence[LeaseView]:
        if await self._alignment.is_done(SCOPES_ALIGNED):
            return await newest_by_scope(self._table, query, reach, PARTITIONS)
        return await newest_of_unaligned_by_scope(self._table, query, reach, PARTITIONS, self._kinds)

    async def _key_of(self, lease: Lease) -> IdempotencyKey | None:
        """The key under which it was issued; one that cannot be read is left where it is."""
        with suppress(Unreadable):
            return await self.find_key(lease.key_digest) if lease.key_digest else None
        return None

    async def _forget_keys(self, condition: str) -> None:
        async for row in self._table.scan(condition):
            await self._forget(delete({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}, etag_of(row)))

    async def _forget(self, deletion: Operation) -> None:
        """A key; one that was replaced meanwhile stays."""
        with suppress(LostRace):
            await self._table.write([deletion])

    async def _is_over(self, lease_id: LeaseId) -> bool:
        """Whether it has ended, or is gone. What cannot be read may be neither."""
        with suppress(Unreadable):
            lease = await self.get(lease_id)
            return lease is None or lease.state is State.ENDED
        return False

    async def _commit(self, lease: Lease, write_id: str, operations: Sequence[Operation]) -> Lease:
        """The lease with its new version. Its own row is the first."""
        return replace(lease, version=await self._written(write_id, operations))

    async def _written(self, write_id: str, operations: Sequence[Operation]) -> str:
        """The new version of the first row. A write that fails may still be this very one, its first answer lost."""
        try:
            version, *_ = await self._table.write(operations)
        except (LostRace, Uncertain):
            first = operations[0].row
            row = await self._table.read(first["PartitionKey"], first["RowKey"])
            if row is None or row.get("Write") != write_id:
                raise
            return etag_of(row)
        return version

    async def _count(self, condition: str, at_most: int, *, pooled: bool = False) -> int:
        count = 0
        async for row in self._table.scan(condition, select=["RowKey", NOBODYS], limit=at_most):
            count += pooled or not row.get(NOBODYS)
            if count == at_most:
                break
        return count

    async def _room(self, condition: str, acquire: frozenset[LeaseId], at_most: int) -> Room:
        active, planned = 0, set[LeaseId]()
        async for row in self._table.scan(condition, select=["RowKey", "State"]):
            lease_id = indexed_id(row["RowKey"])
            if row.get("State") != State.PLANNED:
                active += 1
            elif lease_id in acquire:
                planned.add(lease_id)
            if active + len(planned) == at_most:
                break
        return Room(active + len(planned), frozenset(planned))

    async def _held(self, shard: str, tenant: ObjectId, holder: ObjectId) -> Sequence[HeldLease]:
        condition = f"{between(shard, holder_index(holder))} and {_TAKES_ROOM}"
        rows = self._table.scan(condition, select=["RowKey", "Form", "State", "Generation", "View"])
        # Two rows of one lease: an older version has written its own beside today's.
        found = {held.id: held async for row in rows if (held := read_held(row, tenant)) is not None}
        return [*found.values()]

    async def _inventory(self, shard: str) -> Counter[tuple[RoleName, State]]:
        found: Counter[tuple[RoleName, State]] = Counter()
        for index in ("role_", past_of("role_")):
            async for row in self._table.scan(between(shard, index), select=["RowKey", "State"]):
                # One of another state is a later version's: it is counted among those that cannot be read.
                if row.get("State") in State:
                    found[indexed_id(row["RowKey"]).role, State(row["State"])] += 1
        return found


def _scope_row(lease: Lease, index: str) -> Row:
    """The key of one of its rows of scopes."""
    return {"PartitionKey": lease.id.shard, "RowKey": scope_row_key(index, lease.id)}
