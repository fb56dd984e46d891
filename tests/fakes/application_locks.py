"""Turns at changing an application, in memory."""

from __future__ import annotations

from dataclasses import replace

from shared.core.application_lock import LockRecord
from shared.core.errors import LostRace
from shared.core.names import ObjectId
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemoryApplicationLocks:
    """Satisfies ``LockStore``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[ObjectId, LockRecord] = {}
        self._calls = calls
        self._versions = Versions()

    async def take(self, lock: LockRecord, *, former: LockRecord | None) -> LockRecord:
        """See the port."""
        return await self._calls.through("locks.take", lambda: self._take(lock, former), lock.application_id)

    async def get(self, application_id: ObjectId) -> LockRecord | None:
        """See the port."""
        return await self._calls.through("locks.get", lambda: self.rows.get(application_id), application_id)

    async def release(self, lock: LockRecord) -> None:
        """See the port."""
        await self._calls.through("locks.release", lambda: self._release(lock), lock.application_id)

    def _take(self, lock: LockRecord, former: LockRecord | None) -> LockRecord:
        if self.rows.get(lock.application_id) != former:
            raise LostRace
        self.rows[lock.application_id] = replace(lock, version=self._versions.following(lock.application_id))
        return self.rows[lock.application_id]

    def _release(self, lock: LockRecord) -> None:
        if self.rows.get(lock.application_id) == lock:
            del self.rows[lock.application_id]
