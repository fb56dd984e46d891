"""The table of pools, on Table Storage. Satisfies ``shared.core.ports.pool.Pools``.

The table ``pool`` has a partition for each role. A row ``<ready at>_<lease id>`` is a hint, so that the oldest come first. The
row ``~filling`` says how filling goes; it sorts behind all hints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_rows import instant_key
from shared.cloud.storage.table_operations import Row, delete, put, update
from shared.cloud.storage.tables import Table, etag_of
from shared.core.errors import LostRace
from shared.core.forms import POOL_FILLING, POOL_HINT
from shared.core.names import LeaseId, RoleName
from shared.core.pool import Filling, Hint
from shared.core.typed import instant, named, typed, whole

_FILLING = "~filling"
_TRIES = 10


class TablePools:
    """See the module. A row that cannot be read is passed over: the next filling writes it anew."""

    def __init__(self, service: TableServiceClient, name: str = "pool") -> None:
        self._table = Table(service, name)

    async def note(self, hint: Hint) -> None:
        """Makes one write."""
        content = {
            "Lease": hint.lease,
            "ReadyAt": _text(hint.ready_at),
            "Digest": hint.digest,
            "LookedAt": _text(hint.looked_at),
            "Generation": hint.generation,
        }
        await self._table.write([put(_key(hint) | POOL_HINT.stamp | content)])

    async def forget(self, hint: Hint) -> None:
        """Makes one delete."""
        with suppress(LostRace):
            await self._table.write([delete(_key(hint))])

    async def oldest(self, role: RoleName, most: int) -> Sequence[Hint]:
        """Makes one range read of so many rows."""
        found: list[Hint] = []
        async for row in self._table.scan(f"PartitionKey eq '{role}' and RowKey lt '{_FILLING}'", limit=most):
            if (hint := readable(_hint, row)) is not None:
                found.append(hint)
            if len(found) == most:
                break
        return found

    async def hints(self) -> Mapping[RoleName, Sequence[Hint]]:
        """Makes one range read for each thousand rows."""
        found: dict[RoleName, list[Hint]] = {}
        async for row in self._table.scan(f"RowKey lt '{_FILLING}'"):
            if (hint := readable(_hint, row)) is not None:
                found.setdefault(hint.lease.role, []).append(hint)
        return found

    async def fillings(self) -> Mapping[RoleName, Filling]:
        """Makes one range read."""
        found: dict[RoleName, Filling] = {}
        async for row in self._table.scan(f"RowKey eq '{_FILLING}'"):
            if (filling := readable(_filling, row)) is not None:
                found[RoleName(row["PartitionKey"])] = filling
        return found

    async def change_filling(self, role: RoleName, change: Callable[[Filling], Filling | None]) -> Filling | None:
        """Makes a read and a write. If an answer was lost, ``change`` may be called on what it has made itself."""
        for _ in range(_TRIES):
            row = await self._table.read(role, _FILLING)
            # What cannot be read is nothing: filling begins anew.
            former = readable(_filling, row) if row is not None else None
            changed = change(former or Filling())
            if changed is None:
                return None
            with suppress(LostRace):
                await self._table.write([update(_filling_row(role, changed), etag_of(row) if row is not None else "")])
                return changed
        raise LostRace("others change how the pool is filled")

    async def forget_filling(self, role: RoleName) -> None:
        """Makes one delete."""
        with suppress(LostRace):
            await self._table.write([delete({"PartitionKey": role, "RowKey": _FILLING})])


def _filling_row(role: RoleName, filling: Filling) -> Row:
    content = {
        "Failures": filling.failures,
        "NextAt": _text(filling.next_at),
        "HungrySince": _text(filling.hungry_since),
        "LastError": filling.last_error,
        "Until": _text(filling.until),
        **({"LowTold": True} if filling.low_told else {}),
    }
    return {"PartitionKey": role, "RowKey": _FILLING} | POOL_FILLING.stamp | content


def _key(hint: Hint) -> dict[str, str | int]:
    return {"PartitionKey": hint.lease.role, "RowKey": f"{instant_key(hint.ready_at)}_{hint.lease}"}


def _text(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at is not None else ""


def _hint(row: Row) -> Hint:
    with POOL_HINT.reading(row):
        at, looked_at = (instant(row[name]).astimezone(UTC) for name in ("ReadyAt", "LookedAt"))
        return Hint(LeaseId.parse(row["Lease"]), at, named(str, row["Digest"]), looked_at, whole(row["Generation"]))


def _filling(row: Row) -> Filling:
    with POOL_FILLING.reading(row):
        next_at, since, until = (_instant(row[name]) for name in ("NextAt", "HungrySince", "Until"))
        # Rows of before there were events lack the last property.
        low_told = row.get("LowTold", False)
        return typed(Filling(whole(row["Failures"]), next_at, since, named(str, row["LastError"]), until, low_told=low_told))


def _instant(stored: str) -> datetime | None:
    return instant(stored).astimezone(UTC) if stored else None
