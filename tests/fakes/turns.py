"""Turns at changing an application, in memory."""

from __future__ import annotations

from dataclasses import replace

from shared.core.errors import LostRace
from shared.core.names import ObjectId
from shared.core.turn import Turn
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemoryTurns:
    """Satisfies ``Turns``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[ObjectId, Turn] = {}
        self._calls = calls
        self._versions = Versions()

    async def take(self, turn: Turn, *, former: Turn | None) -> Turn:
        """See the port."""
        return await self._calls.through("turns.take", lambda: self._take(turn, former), turn.application_id)

    async def get(self, application_id: ObjectId) -> Turn | None:
        """See the port."""
        return await self._calls.through("turns.get", lambda: self.rows.get(application_id), application_id)

    async def give_back(self, turn: Turn) -> None:
        """See the port."""
        await self._calls.through("turns.give_back", lambda: self._give_back(turn), turn.application_id)

    def _take(self, turn: Turn, former: Turn | None) -> Turn:
        if self.rows.get(turn.application_id) != former:
            raise LostRace
        self.rows[turn.application_id] = replace(turn, version=self._versions.following(turn.application_id))
        return self.rows[turn.application_id]

    def _give_back(self, turn: Turn) -> None:
        if self.rows.get(turn.application_id) == turn:
            del self.rows[turn.application_id]
