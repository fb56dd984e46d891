"""Every call to the outside passes here: it is counted, may be made to fail, and may be where a worker dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from shared.core.errors import LeaseholdError
from tests.fakes.clock import WORKER, FakeClock


class Died(BaseException):
    """The worker's process ended at this call. Nothing may catch it."""


@dataclass(slots=True)
class MadeCall:
    """One call to the outside. ``began`` and ``over`` are on the monotonic clock."""

    ordinal: int
    name: str
    about: tuple[object, ...]
    began: float
    over: float | None = None
    failed: bool = False
    worker: str = ""

    @property
    def service(self) -> str:
        """``leases``, ``directory``, ..."""
        return self.name.partition(".")[0]


@dataclass(slots=True)
class _Trouble:
    name: str
    error: LeaseholdError
    left: int
    skip: int
    after: bool

    def meets(self, name: str) -> bool:
        """Whether this call is hit; counts the hits down."""
        if name != self.name or not self.left:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.left -= 1
        return True


class Gate(Protocol):
    """Where each call waits until it is let through."""

    async def arrive(self, call: MadeCall) -> None:
        """Returns when the call may take effect. May raise ``Died``."""
        ...

    def finish(self, call: MadeCall, result: object) -> None:
        """It has taken effect, or failed. May raise ``Died``: the answer reaches nobody."""
        ...


@dataclass(slots=True)
class Calls:
    """The line to the outside, shared by all fakes of one world.

    ``latency`` is what every call takes, in seconds of virtual time.
    """

    clock: FakeClock
    latency: float = 0.0
    made: list[MadeCall] = field(default_factory=list)
    watch: Callable[[MadeCall], None] | None = None
    """Is shown every call before it takes effect."""
    arriving: Callable[[], None] | None = None
    """Is told before every call takes effect."""
    gate: Gate | None = None
    answers_travel: bool = False
    """Whether an answer takes a moment, too: whoever waits for it may be cancelled after the effect."""
    _troubles: list[_Trouble] = field(default_factory=list)
    _meanwhile: dict[int, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    _trouble_at: tuple[int, bool, BaseException] | None = None
    _dead: bool = False

    def fail(self, name: str, error: LeaseholdError, *, nth: int = 1, times: int = 1, after: bool = False) -> None:
        """The ``nth`` call of that name from now on raises, and so do as many in all; ``after`` its effect or before."""
        self._troubles.append(_Trouble(name, error, times, nth - 1, after))

    def heal(self) -> None:
        """No call fails any more."""
        self._troubles.clear()

    def fail_at(self, ordinal: int, error: BaseException, *, after: bool) -> None:
        """The call of that number raises; ``Died`` kills the worker, so that none of its calls gets through any more."""
        self._trouble_at = (ordinal, after, error)

    def meanwhile(self, ordinal: int, work: Callable[[], Awaitable[object]]) -> None:
        """Before the call of that number takes effect, somebody else does all this."""
        self._meanwhile[ordinal] = work

    def revive(self) -> None:
        """A new worker starts: nothing is planned for it."""
        self._dead = False
        self._trouble_at = None
        self._meanwhile.clear()

    @property
    def dead(self) -> bool:
        """Whether the worker has died."""
        return self._dead

    def named(self, name: str) -> list[MadeCall]:
        """The calls of that name, or of a whole service."""
        return [call for call in self.made if name in {call.name, call.service}]

    def names(self) -> list[str]:
        """What was called, in order."""
        return [call.name for call in self.made]

    async def through[T](self, name: str, effect: Callable[[], T], *about: object) -> T:
        """Makes the call."""
        self._require_life()
        call = MadeCall(len(self.made) + 1, name, about, self.clock.monotonic(), worker=WORKER.get())
        self.made.append(call)
        if work := self._meanwhile.pop(call.ordinal, None):
            await work()
        await self._way_there(call)
        self._require_life()
        if self.watch:
            self.watch(call)
        if self.arriving:
            self.arriving()
        trouble = next((each for each in self._troubles if each.meets(name)), None)
        call.failed = True
        self._strike(call, trouble, after=False)
        try:
            result = effect()
        except LeaseholdError as refusal:
            if self.gate is not None:
                self.gate.finish(call, refusal)
            raise
        if self.gate is not None:
            self.gate.finish(call, result)
        self._strike(call, trouble, after=True)
        if self.answers_travel:
            await self._travel()
        call.failed, call.over = False, self.clock.monotonic()
        return result

    async def _way_there(self, call: MadeCall) -> None:
        if self.gate is not None:
            await self.gate.arrive(call)
        else:
            await self._travel()

    async def _travel(self) -> None:
        if self.latency:
            await self.clock.sleep(self.latency)
        else:
            await asyncio.sleep(0)

    def _strike(self, call: MadeCall, trouble: _Trouble | None, *, after: bool) -> None:
        # An error that is raised again and again would carry the frames, and so the worlds, of all its former ways.
        call.over = self.clock.monotonic()
        if trouble is not None and trouble.after is after:
            raise trouble.error.with_traceback(None)
        if self._trouble_at is not None and self._trouble_at[:2] == (call.ordinal, after):
            error = self._trouble_at[2]
            self._dead = isinstance(error, Died)
            raise error.with_traceback(None)

    def _require_life(self) -> None:
        if self._dead:
            raise Died
