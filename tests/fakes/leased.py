"""Whom leases have made, in memory."""

from __future__ import annotations

from collections.abc import Collection

from shared.core.names import LeaseId, ObjectId
from tests.fakes.calls import Calls


class MemoryLeasedPrincipals:
    """Satisfies ``LeasedPrincipals``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[ObjectId, LeaseId] = {}
        self._calls = calls

    async def note(self, ids: Collection[ObjectId], lease_id: LeaseId) -> None:
        """See the port."""
        rows = dict.fromkeys(ids, lease_id)
        await self._calls.through("leased.note", lambda: self.rows.update(rows), lease_id)

    async def find(self, ids: Collection[ObjectId]) -> LeaseId | None:
        """See the port."""
        return await self._calls.through(
            "leased.find", lambda: next((self.rows[each] for each in ids if each in self.rows), None)
        )

    async def forget(self, ids: Collection[ObjectId]) -> None:
        """See the port."""
        await self._calls.through("leased.forget", lambda: self._forget(ids))

    def _forget(self, ids: Collection[ObjectId]) -> None:
        for each in ids:
            self.rows.pop(each, None)
