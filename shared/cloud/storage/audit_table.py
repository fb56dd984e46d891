"""The audit trail and the run history, on Table Storage. Satisfies ``Audit`` and ``RunHistory`` of ``shared.core.ports``.

Each day has a partition, in which events lie in the order of time. Nothing changes or deletes an event.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.audit_place import NO_CURSOR, Place, after, partition, start
from shared.cloud.storage.audit_rows import audit_event, audit_row
from shared.cloud.storage.lease_rows import instant_key
from shared.cloud.storage.table_operations import Row, put, update
from shared.cloud.storage.tables import Table, chunked, etag_of, joined, quoted
from shared.cloud.system import SystemClock
from shared.core.audit import AuditEvent
from shared.core.errors import LostRace, Malformed, Refused
from shared.core.forms import COUNT, PUBLISHED, RUN
from shared.core.lease import State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.page import Page
from shared.core.ports.run_history import Count, Noted, Publishing, Run
from shared.core.ports.system import Clock, Ids
from shared.core.typed import instant, named, typed, whole

_BAD_REQUEST = 400
_DAY = timedelta(days=1)
_PARTITIONS = 31
_SECONDS = 10.0
"""One reading takes at most so long: it must not slow other calls down."""
_JOURNAL = ("journal", "sweep")
_RECONCILED = ("journal", "reconcile")
_COUNTED = ("journal", "count")
_PUBLISHED = ("journal", "events")
_TRIES = 5


class TableAudit:
    """See the module."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "audit", clock: Clock | None = None) -> None:
        self._table = Table(service, name)
        self._ids = ids
        self._clock = clock or SystemClock()

    async def record(self, event: AuditEvent) -> None:
        """Makes one insert."""
        await self._table.keep(audit_row(event, event.id or self._ids.ulid(event.at)))

    async def read(self, query: AuditQuery) -> Page[AuditEvent]:
        """Makes range reads day by day, until the page is full, a month is read, or ten seconds are over.

        So a page that is short, or empty, may have a cursor to the next page all the same.
        """
        place, end = start(query), self._clock.monotonic() + _SECONDS
        found: list[Row] = []
        for _ in range(_PARTITIONS):
            async for rows, token in self._pages(query, place):
                found += rows
                if len(found) > query.limit:
                    return _page(found[: query.limit], after(found[query.limit - 1]))
                if token is not None and self._clock.monotonic() >= end:
                    return _page(found, str(replace(place, token=token)))
            if place.day >= query.until.date():
                return _page(found, None)
            place = Place(place.day + _DAY)
            if self._clock.monotonic() >= end:
                break
        return _page(found, str(place))

    async def _pages(self, query: AuditQuery, place: Place) -> AsyncIterator[tuple[list[Row], Mapping[str, str] | None]]:
        first = instant_key(query.since)
        begin = f"RowKey gt {quoted(place.key)}" if place.key > first else f"RowKey ge '{first}'"
        bounds = f"PartitionKey eq '{partition(place.day)}' and {begin} and RowKey lt '{instant_key(query.until)}'"
        try:
            async for page in self._table.pages(f"{bounds}{_matching(query)}", limit=query.limit + 1, token=place.token):
                yield page
        except Refused as refused:
            if place.token is None or refused.status != _BAD_REQUEST:
                raise
            raise Malformed(NO_CURSOR) from refused


def _page(rows: Iterable[Row], cursor: str | None) -> Page[AuditEvent]:
    return Page(tuple(map(audit_event, rows)), cursor)


class TableRunHistory:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def noted(self) -> Noted:
        """Makes one range read."""
        rows = {row["RowKey"]: row async for row in self._table.scan(f"PartitionKey eq '{_JOURNAL[0]}'")}
        publishing = _publishing(rows.get(_PUBLISHED[1]))
        sweep, reconciliation, count = (rows.get(key) for _, key in (_JOURNAL, _RECONCILED, _COUNTED))
        overdue = readable(_overdue, sweep) if sweep is not None else None
        return Noted(_run(sweep), _run(reconciliation), _count(count), overdue or (), publishing)

    async def swept(self, at: datetime, summary: Mapping[str, int], overdue: Sequence[LeaseId] = ()) -> None:
        """Makes one write."""
        await self._note(_JOURNAL, at, summary, Overdue=json.dumps(list(overdue)))

    async def last_sweep(self) -> Run | None:
        """Makes one point read."""
        return _run(await self._table.read(*_JOURNAL))

    async def reconciled(self, at: datetime, summary: Mapping[str, int]) -> None:
        """Makes one write."""
        await self._note(_RECONCILED, at, summary)

    async def last_reconciliation(self) -> Run | None:
        """Makes one point read."""
        return _run(await self._table.read(*_RECONCILED))

    async def _note(self, place: tuple[str, str], at: datetime, summary: Mapping[str, int], **more: str) -> None:
        row = _key(place) | RUN.stamp | {"At": at.isoformat(), "Summary": json.dumps(dict(summary)), **more}
        await self._table.write([put(row)])

    async def counted(self, count: Count) -> None:
        """Makes one write."""
        listed = [[role, state, number] for (role, state), number in count.leases.items()]
        lists = chunked("Leases", json.dumps(listed)) | chunked("Unreadable", json.dumps(count.unreadable))
        row = _key(_COUNTED) | COUNT.stamp | {"At": count.at.isoformat(), **lists}
        await self._table.write([put(row)])

    async def published(self, at: datetime, *, last_error: str, dropped: int) -> None:
        """Makes a point read, and a conditional write if there is something to note. Another's note in between is kept."""
        for _ in range(_TRIES):
            row = await self._table.read(*_PUBLISHED)
            former = _publishing(row)
            if not dropped and former.last_error == last_error:
                return
            noted = {"At": at.isoformat(), "LastError": last_error, "Dropped": former.dropped + dropped}
            with suppress(LostRace):
                written = _key(_PUBLISHED) | PUBLISHED.stamp | noted
                await self._table.write([update(written, etag_of(row) if row is not None else "")])
                return

    async def last_count(self) -> Count | None:
        """Makes one point read."""
        return _count(await self._table.read(*_COUNTED))

    async def reachable(self) -> bool:
        """Makes one point read. Raises ``Upstream`` if storage does not answer."""
        await self._table.read(*_JOURNAL)
        return True


def _run(row: Row | None) -> Run | None:
    """Returns the run in a row, or ``None`` if it cannot be read, as if there had been no run. The next run writes it anew."""
    return readable(_readable_run, row) if row is not None else None


def _readable_run(row: Row) -> Run:
    with RUN.reading(row):
        summary = {name: whole(number) for name, number in json.loads(row["Summary"]).items()}
        return instant(row["At"]).astimezone(UTC), summary


def _overdue(row: Row) -> tuple[LeaseId, ...]:
    with RUN.reading(row):
        # Version 0.1 noted no overdue leases.
        return tuple(LeaseId.parse(each) for each in json.loads(row.get("Overdue") or "[]"))


def _count(row: Row | None) -> Count | None:
    """As ``_run``. If there is no count, a caller that needs one counts."""
    return readable(_readable_count, row) if row is not None else None


def _readable_count(row: Row) -> Count:
    with COUNT.reading(row):
        listed = json.loads(joined("Leases", row))
        leases = {(named(RoleName, role), State(state)): whole(number) for role, state, number in listed}
        unreadable = tuple(LeaseId.parse(each) for each in json.loads(joined("Unreadable", row) or "[]"))
        return Count(instant(row["At"]).astimezone(UTC), leases, unreadable)


def _publishing(row: Row | None) -> Publishing:
    """As ``_run``: what cannot be read is as if nothing had been noted."""
    return (readable(_readable_publishing, row) if row is not None else None) or Publishing()


def _readable_publishing(row: Row) -> Publishing:
    with PUBLISHED.reading(row):
        instant(row["At"])
        return typed(Publishing(named(str, row["LastError"]), whole(row["Dropped"])))


def _key(place: tuple[str, str]) -> dict[str, str]:
    partition, row = place
    return {"PartitionKey": partition, "RowKey": row}


def _matching(query: AuditQuery) -> str:
    wanted = {"Caller": query.caller, "Role": query.role, "Lease": query.lease, "Document": query.document}
    return "".join(f" and {name} eq {quoted(value)}" for name, value in wanted.items() if value)
