"""Rounds of tries: how something is seen to work dependably, although each try may meet another replica.

Two rounds of ten tries, one after the other. The first no ends its round. Two seconds later, the first round begins again. Two
seconds after the first whole round, the second begins. One success proves nothing: the next try may meet a replica that does
not know the application yet. With three replicas, three successes in a row are followed by a refusal three times of four.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto

from shared.core.ports.system import Clock
from shared.core.readiness.errors import NeverReady
from shared.core.readiness.verdicts import Verdict, Word

PAUSE = 2.0
"""Seconds between a refusal, or a whole round, and the next try."""
ROUNDS = 2
TRIES = 10
"""In a round."""


_turn_ends: ContextVar[float] = ContextVar("turn", default=math.inf)


@contextmanager
def in_turns(until: float) -> Iterator[None]:
    """Rounds within end at their first no after ``until``, on the monotonic clock: others wait for their turn.

    That costs no try, for after a no the first round begins again. Rounds that come to pass are not cut off, however slow they
    are. Tasks that are started within inherit it.
    """
    token = _turn_ends.set(until)
    try:
        yield
    finally:
        _turn_ends.reset(token)


@dataclass(frozen=True, slots=True)
class Rounds:
    """``attempt`` makes one try. No try begins after ``deadline``, on the monotonic clock. ``what`` is tried, for the log."""

    clock: Clock
    attempt: Callable[[], Awaitable[Verdict]]
    deadline: float
    what: str

    async def pass_all(self) -> bool:
        """Returns whether two whole rounds come to pass before the deadline. Raises ``NeverReady`` at a no that stays."""
        rounds, no = 0, Verdict(Word.NOTHING)
        while True:
            outcome, last = await self._round()
            no = last or no
            if outcome is _Outcome.WHOLE:
                rounds += 1
            elif outcome is _Outcome.BROKEN:
                rounds = 0
            if rounds == ROUNDS:
                return True
            ends = self.deadline if outcome is _Outcome.WHOLE else self._ends
            if outcome is _Outcome.LATE or not await self._rest(PAUSE, ends):
                code = no.code or no.word.name
                log.info("%s is not seen to work in time; the last refusal: %s (%s)", self.what, code, no.status)
                return False

    async def _round(self) -> tuple[_Outcome, Verdict | None]:
        """Makes ten tries. A try that says neither yes nor no does not count, and is made again. Returns the no, if any."""
        good = 0
        while good < TRIES:
            if self.clock.monotonic() >= self.deadline:
                return _Outcome.LATE, None
            verdict = await self.attempt()
            match verdict.word:
                case Word.YES:
                    good += 1
                case Word.NOT_YET:
                    return _Outcome.BROKEN, verdict
                case Word.NEVER:
                    log.warning("%s will not work: %s (%s)", self.what, verdict.code, verdict.status)
                    raise NeverReady(self.what, status=verdict.status, azure_code=verdict.code)
                case Word.NOTHING:
                    if not await self._rest(max(PAUSE, verdict.retry_after), self._ends):
                        return _Outcome.LATE, None
        return _Outcome.WHOLE, None

    @property
    def _ends(self) -> float:
        """When there is no more time to wait for what was refused."""
        return min(self.deadline, _turn_ends.get())

    async def _rest(self, seconds: float, ends: float) -> bool:
        """Sleeps, and returns ``True``, if another try can begin before ``ends`` after that pause."""
        if self.clock.monotonic() + seconds >= ends:
            return False
        await self.clock.sleep(seconds)
        return True


class _Outcome(Enum):
    """The outcome of one round. ``LATE``: there is no time for more."""

    WHOLE = auto()
    BROKEN = auto()
    LATE = auto()


log = logging.getLogger(__name__)
