"""Bringing index rows that an older version has written, or left behind, into today's form.

Each lease's rows are changed by one transaction, which loses to whoever moves the lease: a death in between leaves the rest
for the next run. Until a run has found nothing left to do, some leases have no row in the index of all.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import replace

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_reader import read_told
from shared.cloud.storage.lease_rows import PARTITIONS, every_index_key, index_keys, indexed_id, lease_key
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
"""Stands there once every lease has today's rows: from the beginning in a table that this version has made."""
_INDEXES = ("all_", "holder_", "past_", "role_")


async def standing(table: Table, lease: Lease) -> tuple[str, ...]:
    """The keys of the index rows that the lease has: known of today's form, else looked up, a point read each."""
    if lease.form >= FORM:
        return index_keys(lease)
    keys = every_index_key(lease)
    rows = await all_of(*(table.read(lease.id.shard, key) for key in keys))
    return tuple(key for key, row in zip(keys, rows, strict=True) if row is not None)


class Alignment:
    """Of one table of leases."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._done = False

    async def is_done(self) -> bool:
        """Whether every lease has today's rows. A point read, until it is so."""
        if not self._done:
            row = await self._table.read(ALIGNED["PartitionKey"], ALIGNED["RowKey"])
            self._done = row is not None and ALIGNED_MARK.knows(row)
        return self._done

    async def run(self, at_most: int, leases: Leases) -> int:
        """See ``Leases.align``."""
        met, left = 0, False
        for shard in PARTITIONS:
            for lease_id, keys in await self._amiss(shard):
                met += 1
                if met > at_most or not await self._mended(lease_id, keys, leases):
                    left = True
        if not left:
            await self._table.write([put(ALIGNED)])
        return met

    async def _amiss(self, shard: str) -> list[tuple[LeaseId, frozenset[str]]]:
        """The leases of a partition whose index rows are not what their own rows call for, and the keys of those rows.

        What a lease that cannot be read calls for is not known: its index rows stay as they are.
        """
        wanted: dict[LeaseId, frozenset[str]] = {}
        unreadable: set[LeaseId] = set()
        async for row in self._table.scan(between(shard, lease_key("")), select=["RowKey", "Form", "View"]):
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
            return True  # there is nothing that this version could do
        with suppress(LostRace):
            if lease is None:
                await self._table.write([delete({"PartitionKey": lease_id.shard, "RowKey": key}) for key in sorted(keys)])
                return True
            former = replace(lease, form=1)
            if lease.form >= FORM and {*await standing(self._table, former)} == {*index_keys(lease)}:
                return True  # it moved between the two looks
            if not _is_in_hands(lease):
                await leases.swap(lease, former=former)
                return True
        return False


def _called_for(row: Row) -> frozenset[str]:
    """The keys of the index rows that a lease's own row calls for: none, where an older version has written it."""
    told = read_told(row)
    return frozenset(index_keys(told)) if form_of(row) >= FORM else frozenset()


def _is_in_hands(lease: Lease) -> bool:
    """Whether a worker may be at it, which would lose: its own next write brings the rows into today's form."""
    return lease.state in {State.PLANNED, State.ENDING} or lease.ending_held or lease.rotating_until is not None
