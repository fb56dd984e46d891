"""What is counted for each caller: the fake and Table Storage keep it alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.cloud.storage import table_rest
from shared.cloud.storage.caller_table import TableCallerRecords
from shared.cloud.storage.table_rest import Dates, Tables
from shared.cloud.storage.tables import Table, connect
from shared.cloud.system import SystemClock
from shared.core.ask_window import AskType, AskWindow
from shared.core.errors import LostRace, Uncertain, Unreadable
from shared.core.names import LeaseId
from shared.core.ports.callers import CallerAdmissions, CallerKey, CallerRecords
from tests.contract.stores import LOSSES, LossyLine, lease
from tests.fakes.caller_records import MemoryCallerRecords
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock
from tests.fakes.world import ALICE, BOB, OTHER_TENANT

ALICES, BOBS = CallerKey.of(ALICE), CallerKey.of(BOB)
NAMESAKE = CallerKey(OTHER_TENANT, ALICE.object_id)
ONE, OTHER = (LeaseId.of(lease().id.role, f"{number:026d}") for number in (1, 2))
ASKS = {
    (AskType.ISSUE, "a1"): START,
    (AskType.REFUSED, "a1"): START + timedelta(milliseconds=7),
    (AskType.ISSUE, "b2"): START + timedelta(seconds=59, milliseconds=999),
}


@pytest.fixture
async def callers(connection: str | None) -> AsyncIterator[CallerRecords]:
    """Each test runs on the fake and on Table Storage."""
    if connection is None:
        yield MemoryCallerRecords(Calls(FakeClock()))
    else:
        async with connect(connection) as service:
            yield TableCallerRecords(service, SystemClock())


async def test_at_first_nothing_is_counted(callers: CallerRecords) -> None:
    """Not even a table is there."""
    assert (AskWindow(), CallerAdmissions()) == (await callers.window(ALICES), await callers.admissions(ALICES))


async def test_a_window_is_read_as_it_was_written(callers: CallerRecords) -> None:
    """To the millisecond. Every caller has its own, also under the same object id in another tenant."""
    written = await callers.note(ALICES, AskWindow(ASKS))
    assert written == await callers.window(ALICES)
    assert (ASKS, True) == (dict(written.asks), written.version != "")
    assert [AskWindow(), AskWindow()] == [await callers.window(each) for each in (BOBS, NAMESAKE)]


async def test_a_window_is_replaced_only_as_it_was_read(callers: CallerRecords) -> None:
    """Of two workers that count the last ask at once, one comes second."""
    first = await callers.note(ALICES, AskWindow(ASKS))
    second = await callers.note(ALICES, first.counting(AskType.ISSUE, "c3", START))
    for stale in (AskWindow(ASKS), first):
        with pytest.raises(LostRace):
            await callers.note(ALICES, stale)
    assert second == await callers.window(ALICES)


async def test_a_window_takes_as_many_asks_as_a_setting_may_allow(callers: CallerRecords) -> None:
    """A thousand of each kind."""
    asks = {(kind, f"{number:08x}"): START for kind in AskType for number in range(1000)}
    assert asks == (await callers.note(ALICES, AskWindow(asks))).asks == (await callers.window(ALICES)).asks


async def test_admissions_are_read_as_they_were_written(callers: CallerRecords) -> None:
    """With those that their roles may still refuse. The window beside them is another row."""
    await callers.admit(ALICES, CallerAdmissions(frozenset({ONE, OTHER}), frozenset({OTHER})))
    await callers.note(ALICES, AskWindow(ASKS))
    found = await callers.admissions(ALICES)
    assert CallerAdmissions(frozenset({ONE, OTHER}), frozenset({OTHER}), found.version) == found
    for stale in (CallerAdmissions(), replace(found, version='W/"1"')):
        with pytest.raises(LostRace):
            await callers.admit(ALICES, stale)
    await callers.admit(ALICES, replace(found, leases=frozenset({ONE}), provisional=frozenset()))
    third = await callers.admissions(ALICES)
    assert (frozenset({ONE}), frozenset(), CallerAdmissions()) == (
        third.leases,
        third.provisional,
        await callers.admissions(BOBS),
    )


@LOSSES
async def test_a_write_whose_answer_is_lost_can_be_recognised(storage_connection: str, loss: Exception) -> None:
    """It raises, or is sent again and then comes second to itself. The ask's id tells that it is counted."""
    line = LossyLine()
    async with Tables.from_connection_string(storage_connection, transport=line, retry_backoff_factor=0.01) as service:
        callers = TableCallerRecords(service, SystemClock())
        first = await callers.note(ALICES, AskWindow())
        line.losing, line.loss = True, loss
        with suppress(LostRace, Uncertain):
            await callers.note(ALICES, first.counting(AskType.ISSUE, "c3", START))
        assert (await callers.window(ALICES)).has(AskType.ISSUE, "c3")


async def test_a_damaged_window_counts_as_empty_and_is_replaced(storage_connection: str) -> None:
    """A minute's counts must not keep a caller out for ever. Damaged admissions are believed by nobody."""
    async with connect(storage_connection) as service:
        callers = TableCallerRecords(service, SystemClock())
        table = await service.create_table("roles")
        for damage in ({"Form": 9}, {"Asks0": "{"}, {"Asks0": '[["issue", "x", "soon"]]'}, {"Asks0": '[["none", "x", 1]]'}):
            key = {"PartitionKey": f"caller_{ALICE.tenant_id}_{ALICE.object_id}"}
            await table.upsert_entity({**key, "RowKey": "asks", **damage})
            found = await callers.window(ALICES)
            assert ({}, True) == (dict(found.asks), found.version != "")
            assert (await callers.note(ALICES, found.counting(AskType.ISSUE, "x", START))) == await callers.window(ALICES)
            await table.upsert_entity({**key, "RowKey": "admissions", **damage})
            with pytest.raises(Unreadable):
                await callers.admissions(ALICES)


@dataclass(frozen=True, slots=True)
class Fast:
    """A worker's clock that is five minutes ahead."""

    def now(self) -> datetime:
        """See the port."""
        return datetime.now(UTC) + timedelta(minutes=5)


async def test_workers_go_by_the_clock_of_storage(storage_connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's own is believed as long as storage has not told the time."""
    monkeypatch.setattr(table_rest, "_CLOCK", Fast())
    async with connect(storage_connection) as service:
        table = Table(service, "roles")
        own = Fast().now()
        assert own == table.now(own)
        await table.read("a", "b")
        off = table.now(Fast().now()) - datetime.now(UTC)
        assert timedelta(seconds=2) > abs(off)


@pytest.mark.parametrize(
    ("own", "expected"), [(0.0, 0.0), (0.4, 0.4), (1.0, 1.0), (5.0, 1.0), (-0.1, 0.0), (-5.0, 0.0), (3600.0, 1.0)]
)
@pytest.mark.parametrize("later", [0, 30])
def test_a_clock_that_agrees_with_storage_to_the_second_is_believed(own: float, expected: float, later: int) -> None:
    """Any other is set right. A date has no fractions of a second."""
    received = START + timedelta(seconds=own)
    dates = Dates(f"{START:%a, %d %b %Y %H:%M:%S} GMT", received)
    assert START + timedelta(seconds=expected + later) == dates.now(received + timedelta(seconds=later))


@pytest.mark.parametrize("sent", ["", "soon", "Mon, 99 Mar 2026 09:00:00 GMT"])
def test_what_is_no_date_tells_nothing(sent: str) -> None:
    """The worker's own clock is believed."""
    assert START == Dates(sent, START).now(START)
