"""What is counted for each caller, on Table Storage. Satisfies ``shared.core.ports.callers.CallerRecords``.

Each caller has a partition in the table ``roles``. Its row ``asks`` holds the caller's asks of late, its row ``admissions`` the
leases that were admitted to the caller. So no row is written for two callers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, update
from shared.cloud.storage.tables import Table, chunked, etag_of, joined
from shared.core.ask_window import AskType, AskWindow
from shared.core.forms import ASKS, CALLER_ADMISSIONS
from shared.core.names import LeaseId
from shared.core.ports.callers import CallerAdmissions, CallerKey
from shared.core.ports.system import Clock
from shared.core.typed import named, whole

_ASKS, _ADMISSIONS = "asks", "admissions"


class TableCallerRecords:
    """See the module."""

    def __init__(self, service: TableServiceClient, clock: Clock, name: str = "roles") -> None:
        self._table = Table(service, name)
        self._clock = clock

    def now(self) -> datetime:
        """Makes no call."""
        return self._table.now(self._clock.now())

    async def window(self, caller: CallerKey) -> AskWindow:
        """Makes one point read."""
        row = await self._table.read(_partition(caller), _ASKS)
        if row is None:
            return AskWindow()
        return readable(_window, row) or AskWindow(version=etag_of(row))

    async def note(self, caller: CallerKey, window: AskWindow) -> AskWindow:
        """Makes one conditional write."""
        asks = [[kind, ask_id, _milliseconds(at)] for (kind, ask_id), at in window.asks.items()]
        row = _key(caller, _ASKS) | ASKS.stamp | chunked("Asks", json.dumps(asks))
        (version,) = await self._table.write([update(row, window.version)])
        return replace(window, version=version)

    async def admissions(self, caller: CallerKey) -> CallerAdmissions:
        """Makes one point read."""
        row = await self._table.read(_partition(caller), _ADMISSIONS)
        return _admissions(row) if row is not None else CallerAdmissions()

    async def admit(self, caller: CallerKey, admissions: CallerAdmissions) -> None:
        """Makes one conditional write."""
        listed = {each: each in admissions.provisional for each in sorted(admissions.leases)}
        row = _key(caller, _ADMISSIONS) | CALLER_ADMISSIONS.stamp | chunked("Leases", json.dumps(listed))
        await self._table.write([update(row, admissions.version)])


def _partition(caller: CallerKey) -> str:
    return f"caller_{caller.tenant_id}_{caller.object_id}"


def _key(caller: CallerKey, row: str) -> dict[str, str | int]:
    return {"PartitionKey": _partition(caller), "RowKey": row}


def _window(row: Row) -> AskWindow:
    with ASKS.reading(row):
        asks = {(AskType(kind), named(str, ask_id)): _instant(at) for kind, ask_id, at in json.loads(joined("Asks", row))}
        return AskWindow(asks, etag_of(row))


def _admissions(row: Row) -> CallerAdmissions:
    with CALLER_ADMISSIONS.reading(row):
        listed: Mapping[str, bool] = json.loads(joined("Leases", row))
        if any(not isinstance(is_provisional, bool) for is_provisional in listed.values()):
            raise TypeError("expected true or false of each lease")
        provisional = frozenset(LeaseId.parse(each) for each, is_provisional in listed.items() if is_provisional)
        return CallerAdmissions(frozenset(map(LeaseId.parse, listed)), provisional, etag_of(row))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(whole(milliseconds) / 1000, UTC)
