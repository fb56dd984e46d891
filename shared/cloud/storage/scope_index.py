"""Finding leases by what they were granted: range reads over the index rows of scopes (``shared.cloud.storage.scope_rows``).

A row tells what was granted and does not change with its lease. So each lease that is told is read from its own row. An older
version that ends a lease leaves its rows of scopes behind: whoever reads such a row finds the lease ended, or gone, and passes
it over, and the reconciliation deletes the row.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_reader import WHOLE, read_granted, read_lease, read_told
from shared.cloud.storage.lease_rows import TODAYS, indexed_id, lease_key
from shared.cloud.storage.scope_rows import read_by
from shared.cloud.storage.table_operations import Row
from shared.cloud.storage.tables import Table, Token, between, past
from shared.core.lease import Lease, LeaseView, State
from shared.core.life import STANDING
from shared.core.names import LeaseId
from shared.core.ports.leases import GrantedLease, LeaseQuery
from shared.core.reach import Reach
from shared.kinds.registry import Kinds
from shared.resilience.tasks import all_of

_FEWEST = 8
_GROWTH = 4
_MOST = 1000
"""Rows of one page. The first pages of a range are small; where few of its rows are asked for, they grow."""
_AT_ONCE = 64
"""Leases that are read side by side."""
_FEW = 100
_SCOPES = ["RowKey", "Form", "Holder", *(f"Scopes{number}" for number in range(4))]


async def newest_by_scope(table: Table, query: LeaseQuery, reach: Reach, shards: Sequence[str]) -> list[LeaseView]:
    """The first of what the query asks for, one more than its limit if there are so many. By the age of their ids."""
    count = query.limit + 1
    share = max(_FEWEST, 2 * count // len(shards))
    runs = [_Run(table, condition, reach, query, share) for condition in _conditions(query, reach, shards)]
    await all_of(*(run.fill() for run in runs))
    ids, found = _merged(runs), list[LeaseView]()
    while len(found) < count:
        some = [each async for each in _first(ids, min(count - len(found), _AT_ONCE))]
        if not some:
            break
        rows = await all_of(*(table.read(each.shard, lease_key(each)) for each in some))
        views = (readable(read_told, row) for row in rows if row is not None)
        found += [view for view in views if view is not None and fits(view, query)]
    return found


async def newest_of_unaligned_by_scope(
    table: Table, query: LeaseQuery, reach: Reach, shards: Sequence[str], kinds: Kinds
) -> list[LeaseView]:
    """The same, where some leases have no rows of scopes: reads every lease's own row."""
    found: list[LeaseView] = []
    count = query.limit + 1
    async for lease in _all_granted(table, reach, shards, kinds):
        if fits(lease, query) and (query.cursor is None or lease.id.age > query.cursor.age):
            found.append(lease)
        if len(found) > _GROWTH * count:
            found = heapq.nsmallest(count, found, key=_age)
    return heapq.nsmallest(count, found, key=_age)


async def granted(table: Table, reach: Reach, shards: Sequence[str]) -> AsyncIterator[GrantedLease]:
    """Each lease that the reach asks for, by the index rows alone. See ``Leases.granted``."""
    for shard in shards:
        seen = set[LeaseId]()
        for index in read_by(reach):
            async for row in table.scan(between(shard, f"{index}_"), select=_SCOPES):
                lease_id = indexed_id(row["RowKey"])
                if lease_id not in seen and _is_met(row, reach):
                    seen.add(lease_id)
                    yield GrantedLease(lease_id, bool(row.get("Holder")))


async def granted_of_unaligned(table: Table, reach: Reach, shards: Sequence[str], kinds: Kinds) -> AsyncIterator[GrantedLease]:
    """The same, where some leases have no rows of scopes: reads every lease's own row."""
    async for lease in _all_granted(table, reach, shards, kinds):
        yield GrantedLease(lease.id, lease.holder is not None)


def fits(view: LeaseView, query: LeaseQuery) -> bool:
    """Returns whether the query asks for a lease that its reach meets. Where it stands among the pages is another question."""
    holder = view.holder
    return (
        view.state is not State.ENDED
        and query.state in {None, view.state}
        and (view.state.is_somebodys or not query.live)
        and (view.state in STANDING or not query.standing)
        and query.role in {None, view.id.role}
        and query.holder in {None, holder.object_id if holder else ""}
        and query.tenant in {None, holder.tenant_id if holder else ""}
    )


async def _all_granted(table: Table, reach: Reach, shards: Sequence[str], kinds: Kinds) -> AsyncIterator[Lease]:
    read: Callable[[Row], Lease] = lambda row: read_lease(kinds, row)  # noqa: E731
    for shard in shards:
        condition = f"{between(shard, lease_key(''))} and State ne '{State.ENDED}'"
        async for row in table.scan(condition, select=list(WHOLE), limit=_FEW):
            lease = readable(read, row)
            if lease is not None and reach.meets(kinds.scopes_of(lease.footprint)):
                yield lease


def _conditions(query: LeaseQuery, reach: Reach, shards: Sequence[str]) -> Iterator[str]:
    # The index knows object ids alone. The lease's own row tells the tenant.
    wanted = (f" and Role eq '{query.role}'" if query.role else "") + (
        f" and Holder eq '{query.holder}'" if query.holder else ""
    )
    for index in read_by(reach):
        start = f"gt '{index}_{TODAYS}{query.cursor.age}_{TODAYS}'" if query.cursor else f"ge '{index}_'"
        for shard in shards:
            yield f"PartitionKey eq '{shard}' and RowKey {start} and RowKey lt '{past(f'{index}_')}'{wanted}"


async def _merged(runs: Sequence[_Run]) -> AsyncIterator[LeaseId]:
    """The leases of all ranges, the newest first, each once."""
    heap = [(_age_of(run.ahead[0]), number) for number, run in enumerate(runs) if run.ahead]
    heapq.heapify(heap)
    last: LeaseId | None = None
    while heap:
        _, number = heapq.heappop(heap)
        run = runs[number]
        lease_id = run.ahead.popleft()
        await run.fill()
        if run.ahead:
            heapq.heappush(heap, (_age_of(run.ahead[0]), number))
        if lease_id != last:
            yield lease_id
        last = lease_id


async def _first(ids: AsyncIterator[LeaseId], many: int) -> AsyncIterator[LeaseId]:
    for _ in range(many):
        if (lease_id := await anext(ids, None)) is None:
            return
        yield lease_id


@dataclass(slots=True)
class _Run:
    """One range, fetched as it is consumed."""

    table: Table
    condition: str
    reach: Reach
    query: LeaseQuery
    share: int
    ahead: deque[LeaseId] = field(default_factory=deque)
    """The next leases of the range, the newest first. Empty at its end once ``fill`` has returned."""
    _token: Token | None = None
    _more: bool = True

    async def fill(self) -> None:
        """Fetches until it is known which lease is the next."""
        while self._more and not self.ahead:
            rows, self._token = await self.table.page(self.condition, select=_SCOPES, limit=self.share, token=self._token)
            self._more = self._token is not None
            self.share = min(_MOST, _GROWTH * self.share)
            self.ahead.extend(indexed_id(row["RowKey"]) for row in rows if _is_met(row, self.reach))


def _is_met(row: Row, reach: Reach) -> bool:
    scopes = readable(read_granted, row)
    return scopes is not None and reach.meets(scopes)


def _age(lease: LeaseView) -> tuple[str, LeaseId]:
    return _age_of(lease.id)


def _age_of(lease_id: LeaseId) -> tuple[str, LeaseId]:
    return lease_id.age, lease_id
