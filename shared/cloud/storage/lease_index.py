"""Listings: range reads over the leases' index rows, merged the newest first.

Of each range a few rows at a time are fetched. One of live leases may begin with rows of form 1, which lie in no order of age:
those are read to their end and sorted (``shared.cloud.storage.lease_rows``).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_reader import read_indexed, read_told
from shared.cloud.storage.lease_rows import ALL, TODAYS, behind, holder_index, indexed_id, past_of, role_index
from shared.cloud.storage.table_operations import Row
from shared.cloud.storage.tables import Table, Token, past
from shared.core.lease import LeaseView, State
from shared.core.life import STANDING
from shared.core.ports.leases import LeaseQuery
from shared.resilience.tasks import all_of

UNENDED = f"State ne '{State.ENDED}'"
LIVE = f"{UNENDED} and State ne '{State.POOLED}'"
"""Of callers: what is pooled is nobody's yet."""
_STANDING = f"({' or '.join(f"State eq '{state}'" for state in STANDING)})"
_SELECT = ["RowKey", "Form", "View"]
_FEWEST = 8
"""Rows to ask a range for at least: an answer with a few more of them costs no more."""

type _Order = tuple[str, str, bool]


async def newest(table: Table, query: LeaseQuery, shards: Sequence[str]) -> list[LeaseView]:
    """The first of what the query asks for, one more than its limit if there are so many."""
    count = query.limit + 1
    # A lease moves from the live ones to the past ones and never back: in this order nobody is missed between the two.
    maybe_more_secrets = _wants_live(query) and _wants_past(query)
    share = count if maybe_more_secrets else max(_FEWEST, 2 * count // len(shards))
    live = [_Run(table, f"PartitionKey eq '{shard}' and {each}", query, share) for shard in shards for each in _live(query)]
    await all_of(*(run.fill() for run in live))
    share = max(_FEWEST, 2 * count // len(shards))
    gone = [_Run(table, f"PartitionKey eq '{shard}' and {each}", query, share) for shard in shards for each in _gone(query)]
    await all_of(*(run.fill() for run in gone))
    return await _merged([*live, *gone], count)


async def newest_of_unaligned(table: Table, query: LeaseQuery, shards: Sequence[str]) -> list[LeaseView]:
    """The same, of all leases, where some have no row in the index of all: reads every lease's own row."""
    found: list[tuple[_Order, LeaseView]] = []
    count = query.limit + 1
    for shard in shards:
        condition = f"PartitionKey eq '{shard}' and RowKey ge 'lease_' and RowKey lt '{past('lease_')}'{_state(query)}"
        async for row in table.scan(condition, select=_SELECT):
            view = readable(read_told, row)
            if view is not None and _is_behind(view.place.age, query) and _is_of_tenant(view, query):
                found.append(((view.place.age, view.id, True), view))
            if len(found) > 4 * count:
                found = heapq.nsmallest(count, found, key=lambda each: each[0])
    return [view for _, view in heapq.nsmallest(count, found, key=lambda each: each[0])]


def _fits(row: Row, query: LeaseQuery) -> bool:
    is_behind = _is_behind(_age(row), query)
    if query.tenant is None or not is_behind:
        return is_behind
    # The index knows object ids alone: what is of another tenant is passed over.
    view = readable(read_indexed, row)
    return view is not None and _is_of_tenant(view, query)


def _is_behind(age: str, query: LeaseQuery) -> bool:
    return query.cursor is None or age > query.cursor.age


def _is_of_tenant(view: LeaseView, query: LeaseQuery) -> bool:
    return query.tenant is None or (view.holder is not None and view.holder.tenant_id == query.tenant)


async def _merged(runs: Sequence[_Run], count: int) -> list[LeaseView]:
    heap = [(_order(run.head), number) for number, run in enumerate(runs) if run.head is not None]
    heapq.heapify(heap)
    found: list[LeaseView] = []
    while heap and len(found) < count:
        (_, lease_id, _), number = heap[0]
        row = await runs[number].take()
        # An older version leaves today's rows as they were and writes its own beside them: those come first, and are right.
        if (not found or found[-1].id != lease_id) and (view := readable(read_indexed, row)) is not None:
            found.append(view)
        following = runs[number].head
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (_order(following), number))
    return found


@dataclass(slots=True)
class _Run:
    """One range, fetched as it is consumed."""

    table: Table
    condition: str
    query: LeaseQuery
    share: int
    _former: deque[Row] = field(default_factory=deque)
    _todays: deque[Row] = field(default_factory=deque)
    _token: Token | None = None
    _more: bool = True

    @property
    def head(self) -> Row | None:
        """The newest that is left, once ``fill`` has returned."""
        return min((each[0] for each in (self._former, self._todays) if each), key=_order, default=None)

    async def fill(self) -> None:
        """Fetches until it is known which is the next."""
        while self._more and not self._todays:
            rows, self._token = await self.table.page(self.condition, select=_SELECT, limit=self.share, token=self._token)
            self._more = self._token is not None
            own = [each for each in rows if _fits(each, self.query)]
            self._todays.extend(each for each in own if _is_todays(each))
            former = [each for each in own if not _is_todays(each)]
            self._former = deque(sorted((*self._former, *former), key=_order)) if former else self._former

    async def take(self) -> Row:
        """The head, and makes the next one known."""
        older = self._todays and self._former and _order(self._todays[0]) > _order(self._former[0])
        row = (self._former if older or not self._todays else self._todays).popleft()
        await self.fill()
        return row


def _wants_live(query: LeaseQuery) -> bool:
    return query.state is not State.ENDED


def _wants_past(query: LeaseQuery) -> bool:
    return query.state is State.ENDED or (query.state is None and not query.live and not query.standing)


def _index_of(query: LeaseQuery) -> str:
    if query.holder:
        return holder_index(query.holder)
    return role_index(query.role) if query.role else ALL


def _live(query: LeaseQuery) -> Iterator[str]:
    """What lies among the live: rows of form 1 as well, be their leases live or not."""
    index = _index_of(query)
    if _wants_live(query) and query.cursor is None and not (query.holder and query.role):
        yield f"RowKey ge '{index}' and RowKey lt '{past(index)}'{_state(query)}"
        return
    if index != ALL:
        # An id begins with its role's name: within a holder's rows of form 1, a role's are neighbours.
        former = f"{index}{query.role}." if query.holder and query.role else index
        until = past(former) if former != index else f"{index}{TODAYS}"
        yield f"RowKey ge '{former}' and RowKey lt '{until}'{_state(query)}"
    if _wants_live(query):
        yield f"{_behind(index, query)}{_of_role(query)}{_state(query)}"


def _gone(query: LeaseQuery) -> Iterator[str]:
    if _wants_past(query):
        yield f"{_behind(past_of(_index_of(query)), query)}{_of_role(query)}"


def _behind(index: str, query: LeaseQuery) -> str:
    start = f"RowKey gt '{behind(index, query.cursor)}'" if query.cursor else f"RowKey ge '{index}{TODAYS}'"
    return f"{start} and RowKey lt '{past(index)}'"


def _of_role(query: LeaseQuery) -> str:
    return f" and Role eq '{query.role}'" if query.holder and query.role else ""


def _state(query: LeaseQuery) -> str:
    if query.state:
        return f" and State eq '{query.state}'"
    return f" and {_STANDING}" if query.standing else f" and {LIVE}" if query.live else ""


def _is_todays(row: Row) -> bool:
    return TODAYS in str(row["RowKey"])


def _order(row: Row) -> _Order:
    return _age(row), indexed_id(row["RowKey"]), _is_todays(row)


def _age(row: Row) -> str:
    """Where the lease of an index row stands: by the row's key, or in form 1 by the lease's id."""
    _, todays, rest = str(row["RowKey"]).partition(TODAYS)
    return rest.partition("_")[0] if todays else indexed_id(row["RowKey"]).age
