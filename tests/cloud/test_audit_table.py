"""Reading the audit trail on Table Storage: how much one request looks at, and where the next one goes on."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.audit_place import Place, start
from shared.cloud.storage.audit_rows import audit_row
from shared.cloud.storage.audit_table import TableAudit
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Malformed, Refused, Throttled
from shared.core.ports.audit import AuditQuery
from shared.core.ports.page import Page
from tests.fakes.clock import START, FakeClock, FixedIds

CONNECTION = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGk=;TableEndpoint=http://127.0.0.1:1/a"
MONTH = AuditQuery(START, START + timedelta(days=31))


@dataclass
class Days:
    """A table that answers each page in so many seconds, and each day in so many pages."""

    clock: FakeClock
    seconds: float = 0.01
    pages_a_day: int = 1
    events: list[AuditEvent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    limits: set[int] = field(default_factory=set)
    refused: Exception | None = None

    async def pages(
        self, condition: str, *, limit: int, token: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[list[Mapping[str, Any]], Mapping[str, str] | None]]:
        """The rows of a day are in its last page; before, storage has looked and found nothing."""
        day, low, high = (re.findall(pattern, condition)[0] for pattern in (r"eq '(\d+)'", r"g[te] '(\w+)'", r"lt '(\w+)'"))
        for number in range(int(token["RowKey"]) if token else 0, self.pages_a_day):
            if self.refused:
                raise self.refused
            self.asked.append(f"{day} {number}")
            self.limits.add(limit)
            self.clock.jump(self.seconds)
            last = number == self.pages_a_day - 1
            events = enumerate(self.events) if last else ()
            rows: list[Mapping[str, Any]] = [audit_row(each, f"{place:026d}") for place, each in events]
            fitting = [row for row in rows if row["PartitionKey"] == day and low <= row["RowKey"] < high]
            yield fitting[:limit], None if last else {"PartitionKey": day, "RowKey": str(number + 1)}


@pytest.fixture
def days(clock: FakeClock) -> Days:
    """Storage."""
    return Days(clock)


@pytest.fixture
def audit(days: Days, clock: FakeClock) -> TableAudit:
    """What is tested."""
    made = TableAudit(TableServiceClient.from_connection_string(CONNECTION), FixedIds(), clock=clock)
    made._table = days  # type: ignore[assignment]  # as much of it as a reading needs
    return made


def event(days: float) -> AuditEvent:
    """One so many days after the start."""
    return AuditEvent(START + timedelta(days=days), "issue", Outcome.DONE, f"r{days}")


async def walk(audit: TableAudit, query: AuditQuery) -> tuple[list[str], int]:
    """The events of all pages from the query's own on, and how many pages there were."""
    found: list[str] = []
    count = 0
    page = Page[AuditEvent]((), query.cursor or "")
    while page.cursor is not None:
        page = await audit.read(replace(query, cursor=page.cursor or None))
        found += [each.request_id for each in page.items]
        count += 1
    return found, count


async def test_one_request_reads_31_days(audit: TableAudit, days: Days) -> None:
    """Of 31 whole ones that begin at nine in the morning, the last hours are the next page's."""
    days.events = [event(0), event(30.9)]
    first = await audit.read(MONTH)
    assert [each.request_id for each in first.items] == ["r0"]
    assert (len(days.asked), first.cursor) == (31, "20260402.")
    assert await walk(audit, MONTH) == (["r0", "r30.9"], 2)


async def test_one_request_reads_for_ten_seconds(audit: TableAudit, days: Days) -> None:
    """Then its page is short, and the next one goes on; nothing is told twice or left out."""
    days.seconds, days.events = 4.0, [event(number) for number in range(10)]
    first = await audit.read(MONTH)
    assert [each.request_id for each in first.items] == ["r0", "r1", "r2"]
    found, _ = await walk(audit, MONTH)
    assert found == [f"r{number}" for number in range(10)]


async def test_a_day_may_take_longer_than_a_request(audit: TableAudit, days: Days) -> None:
    """A filter that little fits: an empty page then, and the next one goes on where storage has stopped looking."""
    days.seconds, days.pages_a_day, days.events = 5.0, 5, [event(0)]
    query = replace(MONTH, until=START + timedelta(hours=1))
    first = await audit.read(query)
    assert (first.items, days.asked) == ((), ["20260302 0", "20260302 1"])
    assert first.cursor is not None
    assert first.cursor.startswith("20260302:")
    days.asked.clear()
    assert (await walk(audit, replace(query, cursor=first.cursor)))[0] == ["r0"]


async def test_a_day_of_several_pages_is_read_in_one_request(audit: TableAudit, days: Days) -> None:
    """As long as there is time; each page holds one event more than is told, which tells that there are others."""
    days.pages_a_day, days.events = 5, [event(0)]
    first = await audit.read(replace(MONTH, until=START + timedelta(hours=1)))
    assert (["r0"], None, 5) == ([each.request_id for each in first.items], first.cursor, len(days.asked))
    assert {MONTH.limit + 1} == days.limits


async def test_a_page_that_tells_the_last_event_is_the_last(audit: TableAudit, days: Days) -> None:
    """Be it full or not."""
    days.events = [event(0), event(0.1), event(0.2)]
    day = replace(MONTH, until=START + timedelta(hours=10))
    assert [False, True, True] == [(await audit.read(replace(day, limit=limit))).cursor is None for limit in (2, 3, 4)]


async def _at_a_token(audit: TableAudit, days: Days) -> AuditQuery:
    days.seconds, days.pages_a_day = 10.0, 2
    return replace(MONTH, cursor=(await audit.read(MONTH)).cursor)


async def test_a_made_up_place_in_a_day_is_no_cursor(audit: TableAudit, days: Days) -> None:
    """Storage refuses it, and the caller is told that it is its own mistake."""
    query = await _at_a_token(audit, days)
    days.refused = Refused("InvalidInput", status=400, azure_code="InvalidInput")
    with pytest.raises(Malformed, match="cursor"):
        await audit.read(query)


@pytest.mark.parametrize("trouble", [Refused("no", status=403), Throttled("no", status=429), ZeroDivisionError()], ids=repr)
async def test_what_else_storage_says_is_not_the_cursor_s_fault(audit: TableAudit, days: Days, trouble: Exception) -> None:
    """It comes out as it is."""
    query = await _at_a_token(audit, days)
    days.refused = trouble
    with pytest.raises(type(trouble)):
        await audit.read(query)


async def test_a_refusal_where_no_place_was_named_is_storages(audit: TableAudit, days: Days) -> None:
    """The caller has done nothing wrong."""
    days.refused = Refused("InvalidInput", status=400, azure_code="InvalidInput")
    with pytest.raises(Refused):
        await audit.read(MONTH)


def test_of_a_reason_a_thousand_characters_are_kept() -> None:
    """And a few: a property holds more, a row not without end."""
    assert "x" * 1024 == audit_row(replace(event(0), reason="x" * 2000), "")["Reason"]


def at_token(token: object) -> str:
    """A cursor in the first day with that document for storage's token."""
    return f"20260302:{urlsafe_b64encode(json.dumps(token).encode()).decode()}"


@pytest.mark.parametrize("token", [{"PartitionKey": "a", "RowKey": "b"}, {"PartitionKey": "a"}])
def test_a_place_that_storage_names_is_found_again(token: dict[str, str]) -> None:
    """Storage may name a partition alone."""
    place = Place(START.date(), token=token)
    assert place == start(replace(MONTH, cursor=str(place)))


@pytest.mark.parametrize(
    "cursor",
    [
        "20260228.x",
        "20260403.x",
        "00010101.",
        "99991231.",
        "20260230.",
        "20260302.a'b",
        at_token({}),
        at_token({"RowKey": "b"}),
        at_token({"PartitionKey": "a", "RowKey": "b", "Other": "c"}),
        at_token({"PartitionKey": "a", "RowKey": None}),
        at_token(["PartitionKey", "RowKey"]),
        "20260302:x",
        "20260302",
    ],
)
async def test_a_cursor_lies_within_the_span(audit: TableAudit, days: Days, cursor: str) -> None:
    """Or a request could begin wherever it likes."""
    with pytest.raises(Malformed) as result:
        await audit.read(replace(MONTH, cursor=cursor))
    assert ["cursor"] == [each.path for each in result.value.faults]
    assert days.asked == []


async def test_a_span_that_is_counted_from_now_may_move_on(audit: TableAudit, days: Days) -> None:
    """Between two pages: what has fallen out of it is passed over."""
    days.events = [event(0), event(1)]
    later = AuditQuery(START + timedelta(hours=16), START + timedelta(days=1, hours=16), cursor="20260302.20260302")
    assert (await walk(audit, later))[0] == ["r1"]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)),
        (datetime(9999, 12, 31, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ],
)
async def test_reads_at_the_ends_of_time(audit: TableAudit, since: datetime, until: datetime) -> None:
    """There is no day before, and none after."""
    assert await audit.read(AuditQuery(since, until)) == Page(())
