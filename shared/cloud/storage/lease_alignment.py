"""Brings index rows that an older version has written, or left behind, into today's form.

One transaction changes the rows of one lease. It fails if another worker moves the lease meanwhile. If this worker dies in
between, the next run does the rest. Until a run has found nothing to do, some leases have no row in the index of all leases.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import replace

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_reader import read_by_scope, read_told
from shared.cloud.storage.lease_rows import (
    BY_SCOPE,
    PARTITIONS,
    TODAYS,
    every_index_key,
    index_keys,
    indexed_id,
    lease_key,
)
from shared.cloud.storage.scope_rows import INDEXES as SCOPE_INDEXES
from shared.cloud.storage.scope_rows import scope_row_key
from shared.cloud.storage.table_operations import Row, delete, put
from shared.cloud.storage.tables import Table, between
from shared.core.errors import LostRace, Unreadable
from shared.core.forms import ALIGNED as ALIGNED_MARK
from shared.core.forms import form_of
from shared.core.lease import FORM, Lease, State
from shared.core.names import LeaseId
from shared.core.ports.leases import Leases
from shared.resilience.tasks import all_of

ALIGNED: Row = {"PartitionKey": "aligned", "RowKey": "leases", **ALIGNED_MARK.stamp}
"""This row is there once every lease has today's rows. A table that this version has made has it from the beginning."""
SCOPES_ALIGNED: Row = {"PartitionKey": "aligned", "RowKey": "scopes", **ALIGNED_MARK.stamp}
"""The same of the rows of scopes, which are younger: until it is there, leases are found by scope in their own rows."""
_INDEXES = ("all_", "holder_", "past_", "role_", *SCOPE_INDEXES)


async def standing(table: Table, lease: Lease) -> tuple[str, ...]:
    """Returns the keys of the lease's index rows. For a lease of an older form, makes a point read for each key."""
    if lease.form >= FORM:
        return index_keys(lease)
    keys = every_index_key(lease)
    rows = await all_of(*(table.read(lease.id.shard, key) for key in keys))
    return tuple(key for key, row in zip(keys, rows, strict=True) if row is not None)


class Alignment:
    """The alignment of one table of leases."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._done = set[str]()

    async def is_done(self, mark: Row = ALIGNED) -> bool:
        """Returns whether every lease has the rows of which the mark tells. Makes a point read until that is so."""
        if mark["RowKey"] not in self._done:
            row = await self._table.read(mark["PartitionKey"], mark["RowKey"])
            if row is None or not ALIGNED_MARK.knows(row):
                return False
            self._done.add(mark["RowKey"])
        return True

    async def run(self, at_most: int, leases: Leases) -> int:
        """See ``Leases.align``."""
        found, left = 0, False
        for shard in PARTITIONS:
            for lease_id, keys in await self._amiss(shard):
                found += 1
                if found > at_most or not await self._mended(lease_id, keys, leases):
                    left = True
        if not left:
            await self._table.write([put(ALIGNED), put(SCOPES_ALIGNED)])
        return found

    async def _amiss(self, shard: str) -> list[tuple[LeaseId, frozenset[str]]]:
        """Returns the leases of a partition whose index rows are not those that the leases call for, and the rows' keys.

        Nobody knows the rows that an unreadable lease calls for: its index rows stay as they are.
        """
        wanted: dict[LeaseId, frozenset[str]] = {}
        unreadable: set[LeaseId] = set()
        async for row in self._table.scan(between(shard, lease_key("")), select=["RowKey", "Form", "View", BY_SCOPE]):
            called_for = readable(_called_for, row)
            if called_for is None:
                unreadable.add(indexed_id(row["RowKey"]))
            else:
                wanted[indexed_id(row["RowKey"])] = called_for
        there: defaultdict[LeaseId, set[str]] = defaultdict(set)
        for index in _INDEXES:
            async for row in self._table.scan(between(shard, index), select=["RowKey"]):
                there[indexed_id(row["RowKey"])].add(str(row["RowKey"]))
        found = {each: frozenset(keys) for each, keys in there.items()}
        amiss = (each for each in {**wanted, **found} if wanted.get(each) != found.get(each))
        return [(each, found.get(each, frozenset())) for each in amiss if each not in unreadable]

    async def _mended(self, lease_id: LeaseId, keys: frozenset[str], leases: Leases) -> bool:
        try:
            lease = await leases.get(lease_id)
        except Unreadable:
            return True  # this version can do nothing for it
        with suppress(LostRace):
            if lease is None:
                await self._table.write([delete({"PartitionKey": lease_id.shard, "RowKey": key}) for key in sorted(keys)])
                return True
            former = replace(lease, form=1, by_scope=await self._scopes_there(lease, keys))
            if _is_of_today(lease) and await self._has_its_rows(lease, former):
                return True  # the lease moved between the two reads
            if not _is_in_hands(lease):
                await leases.swap(lease, former=former)
                return True
        return False

    async def _has_its_rows(self, lease: Lease, former: Lease) -> bool:
        indexes = {*(former.by_scope or ())}
        return indexes == {*(lease.by_scope or ())} and {*await standing(self._table, former)} == {*index_keys(lease)}

    async def _scopes_there(self, lease: Lease, keys: frozenset[str]) -> tuple[str, ...]:
        """Returns the indexes of scopes in which the lease has a row now, of those in which it had one or should have one."""
        found = (each.partition(f"_{TODAYS}")[0] for each in keys if each.startswith(SCOPE_INDEXES))
        indexes = tuple({*found, *(lease.by_scope or ())})
        rows = await all_of(*(self._table.read(lease.id.shard, scope_row_key(each, lease.id)) for each in indexes))
        return tuple(each for each, row in zip(indexes, rows, strict=True) if row is not None)


def _is_of_today(lease: Lease) -> bool:
    """Returns whether the lease's own row tells which index rows it has. One that has ended has none of scopes."""
    return lease.form >= FORM and (lease.by_scope is not None or not lease.state.is_live)


def _called_for(row: Row) -> frozenset[str]:
    """Returns the keys of the index rows that a lease's own row calls for: none, if an older version has written the row.

    A lease that has ended has no rows of scopes, whichever version has written it.
    """
    lease, indexes = read_told(row), read_by_scope(row)
    if form_of(row) < FORM or (indexes is None and lease.state.is_live):
        return frozenset()
    return frozenset((*index_keys(lease), *(scope_row_key(each, lease.id) for each in indexes or ())))


def _is_in_hands(lease: Lease) -> bool:
    """Returns whether a worker may hold the lease and would lose a race. The worker's next write aligns the rows itself."""
    return lease.state in {State.PLANNED, State.ENDING} or lease.ending_held or lease.rotating_until is not None
