"""Rounds of tries: how something is seen to work dependably, although each try may meet another replica.

Two rounds of ten tries, without a pause. The first no ends its round. Two seconds later, the first round begins again. Two
seconds after the first whole round, the second begins. One success proves nothing: the next try may meet a replica that does
not know the application yet. With three replicas, three successes in a row are followed by a refusal three times of four.

Most first rounds end early, and a try beside the one that is refused is made in vain. So a first round begins with single
tries, and goes on with several at once. Most second rounds are whole: they are made several at once (docs/adr/0028).
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
from shared.resilience.tasks import all_or_none

PAUSE = 2.0
"""Seconds between a refusal, or a whole round, and the next try."""
ROUNDS = 2
TRIES = 10
"""In a round."""
ALONE = 4
"""Tries at the beginning of a first round that are made one after the other."""
AT_ONCE = (3, 5)
"""Tries that are under way at once, in a first round after these, and in a second one."""


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
            outcome, last = await self._round(rounds)
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

    async def _round(self, whole: int) -> tuple[_Outcome, Verdict | None]:
        """Makes ten tries, after so many whole rounds. Returns the no, if any: tries that are under way then are given up."""
        tries = _Tries()
        try:
            if not whole:
                await self._lane(tries, ALONE)
            await all_or_none(*(self._lane(tries, TRIES) for _ in range(AT_ONCE[whole])))
        except _EndedEarlyError as ended:
            return ended.outcome, ended.no
        return _Outcome.WHOLE, None

    async def _lane(self, tries: _Tries, most: int) -> None:
        """Makes one try after the other until the round has so many. Raises as ``_require_yes``."""
        while tries.begun < most:
            tries.begun += 1
            await self._require_yes()

    async def _require_yes(self) -> None:
        """Makes one try. One that says neither yes nor no does not count, and is made again.

        Raises ``_EndedEarlyError`` at a no, or if there is no more time; ``NeverReady``.
        """
        while self.clock.monotonic() < self.deadline:
            verdict = await self.attempt()
            match verdict.word:
                case Word.YES:
                    return
                case Word.NOT_YET:
                    raise _EndedEarlyError(_Outcome.BROKEN, verdict)
                case Word.NEVER:
                    log.warning("%s will not work: %s (%s)", self.what, verdict.code, verdict.status)
                    raise NeverReady(self.what, status=verdict.status, azure_code=verdict.code)
                case Word.NOTHING:
                    if not await self._rest(max(PAUSE, verdict.retry_after), self._ends):
                        break
        raise _EndedEarlyError(_Outcome.LATE)

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


@dataclass(slots=True)
class _Tries:
    """Of one round. ``begun``: tries that have said yes, or are under way. The lanes of the round share it."""

    begun: int = 0


class _EndedEarlyError(Exception):
    """A round that comes to its end before all of its tries. ``no`` is the refusal, if there was one."""

    def __init__(self, outcome: _Outcome, no: Verdict | None = None) -> None:
        super().__init__(outcome)
        self.outcome, self.no = outcome, no


log = logging.getLogger(__name__)
