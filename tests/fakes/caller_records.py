"""What is counted for each caller, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.core.ask_window import AskWindow
from shared.core.errors import LostRace
from shared.core.ports.callers import CallerAdmissions, CallerKey
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemoryCallerRecords:
    """Satisfies ``CallerRecords``. Its clock is right, whatever the broker's shows."""

    def __init__(self, calls: Calls) -> None:
        self.windows: dict[CallerKey, AskWindow] = {}
        self.admitted: dict[CallerKey, CallerAdmissions] = {}
        self._calls = calls
        self._versions = Versions()

    def now(self) -> datetime:
        """See the port."""
        return self._calls.clock.truth()

    async def window(self, caller: CallerKey) -> AskWindow:
        """See the port."""
        return await self._calls.through("caller_records.window", lambda: self.windows.get(caller, AskWindow()), caller)

    async def note(self, caller: CallerKey, window: AskWindow) -> AskWindow:
        """See the port."""
        return await self._calls.through("caller_records.note", lambda: self._note(caller, window), caller)

    async def admissions(self, caller: CallerKey) -> CallerAdmissions:
        """See the port."""
        return await self._calls.through(
            "caller_records.admissions", lambda: self.admitted.get(caller, CallerAdmissions()), caller
        )

    async def admit(self, caller: CallerKey, admissions: CallerAdmissions) -> None:
        """See the port."""
        await self._calls.through("caller_records.admit", lambda: self._admit(caller, admissions), caller)

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr((sorted(map(repr, self.windows.items())), sorted(map(repr, self.admitted.items()))))

    def _note(self, caller: CallerKey, window: AskWindow) -> AskWindow:
        if window.version != self.windows.get(caller, AskWindow()).version:
            raise LostRace
        self.windows[caller] = replace(window, asks=dict(window.asks), version=self._versions.following(("asks", caller)))
        return self.windows[caller]

    def _admit(self, caller: CallerKey, admissions: CallerAdmissions) -> None:
        if admissions.version != self.admitted.get(caller, CallerAdmissions()).version:
            raise LostRace
        self.admitted[caller] = replace(admissions, version=self._versions.following(("admissions", caller)))
