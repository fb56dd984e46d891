"""Keeping each caller within the issues that it may ask for in a minute, on whichever workers it asks.

One row of the caller's holds its asks of the last 60 seconds, by storage's clock. It is read beside the look-up of the role. A
new lease is counted beside the second look at the role, by one conditional write. So an issue makes two calls more, and waits
for neither. A repeat under a key opens no lease, and is never counted.

Asks that are refused (403) are counted apart, by a write before the answer, so that role names cannot be guessed at any rate.
Once they fill their part of the row, every ask of the caller is refused, whatever its role: the answer tells nothing of the
name. Otherwise who has no right gets 403, before any limit. The question whether a role may be used counts with the refused
asks if the answer is no, and is never refused for the leases that were issued.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from shared.broker.ports import Ports
from shared.core.ask_window import AskType, AskWindow
from shared.core.caller import Caller
from shared.core.errors import Forbidden, Interrupted, LeasedCaller, LeaseholdError, LostRace, TooMany, TooManyIssues, Uncertain
from shared.core.ports.callers import CallerKey
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

_PATIENCE = 30.0
"""Seconds. Each attempt that fails is another one's that succeeds, or storage in trouble."""
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


@dataclass(slots=True, weakref_slot=True)
class _CallersLine:
    """Where a worker's own asks of one caller line up, so that they do not take the row from one another."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: AskWindow | None = None
    """The row as this worker has written it last, or read it after another worker's write."""


_lines: WeakValueDictionary[tuple[int, CallerKey], _CallersLine] = WeakValueDictionary()


@dataclass(slots=True)
class AskRate:
    """One ask of a caller. Without ``issues_per_minute`` it makes no call, and limits nothing."""

    ports: Ports
    caller: CallerKey
    _line: _CallersLine
    _window: AskWindow = field(default_factory=AskWindow)
    _is_counted: bool = False

    @classmethod
    def of(cls, ports: Ports, caller: Caller) -> AskRate:
        """Begins an ask."""
        key = CallerKey.of(caller)
        return cls(ports, key, _lines.setdefault((id(ports.caller_records), key), _CallersLine()))

    async def beside[T](self, look_up: Awaitable[T]) -> T:
        """As ``within_refusals``. Raises ``TooManyIssues`` as well, if the caller has issued too often.

        An ask that is counted already had room.
        """
        found = await self.within_refusals(look_up)
        if self._most and not self._is_counted and (wait := self._wait(AskType.ISSUE, self._window)) is not None:
            raise TooManyIssues(retry_after=wait)
        return found

    async def within_refusals[T](self, look_up: Awaitable[T]) -> T:
        """Returns what the look-up finds: the role, if the caller may issue from it. Reads the caller's row beside it.

        Raises what the look-up raises, and counts a refusal. Raises ``TooMany`` if too many asks of the caller were refused.
        """
        if not self._most:
            return await look_up
        self._window, (found, failure) = await both(self.ports.caller_records.window(self.caller), _caught(look_up))
        if isinstance(failure, LeasedCaller):
            raise failure
        if (wait := self._wait(AskType.REFUSED, self._window)) is not None:
            raise _refused_too_often(wait)
        if isinstance(failure, Forbidden):
            await self._count_refusal()
        if failure is not None:
            raise failure
        return found[0]

    async def count(self) -> int | None:
        """Counts a lease that was opened, once. If others have used up the minute since the first look, returns the seconds to
        wait. Raises ``Interrupted`` when others kept coming first; ``Upstream``.
        """
        if self._is_counted or not self._most:
            return None
        self._is_counted = True
        return await self._count(AskType.ISSUE)

    @property
    def _most(self) -> int:
        return self.ports.limits.issues_per_minute

    def _wait(self, kind: AskType, window: AskWindow) -> int | None:
        return window.wait(kind, self._most, self.ports.caller_records.now())

    async def _count_refusal(self) -> None:
        """Raises ``TooMany`` if there is no room. Whether or not it can be written down, the ask is refused."""
        try:
            wait = await self._count(AskType.REFUSED)
        except LeaseholdError:
            log.warning("a refused ask of %s could not be counted", self.caller.object_id, exc_info=True)
            return
        if wait is not None:
            raise _refused_too_often(wait)

    async def _count(self, kind: AskType) -> int | None:
        """Returns ``None`` when the ask is counted, or else the seconds to wait."""
        ask_id, pause = self.ports.ids.guid()[:8], _PAUSE
        until = self.ports.within(_PATIENCE)
        async with self._line.lock:
            window = self._line.newest or self._window
            while not window.has(kind, ask_id):
                if (wait := self._wait(kind, window)) is not None:
                    return wait
                try:
                    counted = window.counting(kind, ask_id, self.ports.caller_records.now())
                    self._line.newest = await self.ports.caller_records.note(self.caller, counted)
                except (LostRace, Uncertain):
                    if self.ports.clock.monotonic() >= until:
                        raise Interrupted from None
                    await self.ports.clock.sleep(pause * (0.5 + self.ports.ids.jitter()))
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    window = self._line.newest = await self.ports.caller_records.window(self.caller)
                else:
                    return None
        return None


async def _caught[T](look_up: Awaitable[T]) -> tuple[tuple[T, ...], LeaseholdError | None]:
    """Returns what is found, if anything, and the failure, if there is one."""
    try:
        return (await look_up,), None
    except LeaseholdError as failure:
        return (), failure


def _refused_too_often(wait: int) -> TooMany:
    sentence = "Too many of your requests were refused within a minute; try again later."
    return TooMany(sentence, code=TooManyIssues.code, retry_after=wait)
