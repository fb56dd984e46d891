"""One schedule: the calls of two workers, let through one by one in an order that is chosen from outside.

Every call to the outside waits at a gate. When no worker can go on by itself, one of the waiting calls is let through; it
takes effect, and its worker goes on to its next calls. Time moves only when no call waits. So a schedule is a list of choices,
and the same choices give the same schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from shared.core.errors import LeaseholdError, LostRace
from shared.core.lease import IllegalMove
from tests.fakes.calls import Died, MadeCall
from tests.fakes.clock import WORKER
from tests.fakes.loop import StillLoop
from tests.fakes.world import World
from tests.model.judge import WORKERS, Answer
from tests.support.operations import Action

_DEATHS = {"": "", "before": "-", "after": "+"}


@dataclass(frozen=True, slots=True)
class Choice:
    """To let a worker's waiting call through, the ``place``-th of those that it makes side by side; or to let the worker die
    there, before that call or after it.
    """

    worker: str
    place: int = 0
    death: str = ""

    def __str__(self) -> str:
        return f"{self.worker}{self.place or ''}{_DEATHS[self.death]}"

    @classmethod
    def parse(cls, text: str) -> Choice:
        """What ``str`` gave."""
        death = {sign: death for death, sign in _DEATHS.items()}.get(text[-1], "")
        return cls(text[0], int(text[1:].rstrip("-+") or 0), death)


class CutOff(BaseException):
    """What would follow was seen before."""


type Chooser = Callable[["Schedule", Sequence[Choice]], Choice]
"""Raises ``CutOff``."""


@dataclass(slots=True)
class Schedule:
    """One run. ``choose`` is asked wherever something may be let through."""

    world: World
    choose: Chooser
    taken: list[Choice] = field(default_factory=list)
    histories: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WORKERS, 0))
    """A digest for each worker of all that it was answered: what it does next depends on nothing else, and on the time."""
    log: list[str] = field(default_factory=list)
    began: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    """For each worker the step of its first call, and of its last."""
    dead: set[str] = field(default_factory=set)
    _waiting: dict[str, list[tuple[MadeCall, asyncio.Future[None]]]] = field(
        default_factory=lambda: {each: [] for each in WORKERS}
    )
    _dying: str = ""
    _is_cut_off: bool = False

    async def arrive(self, call: MadeCall) -> None:
        """See ``Gate``."""
        if call.worker in self.dead:
            raise Died
        passed = asyncio.get_running_loop().create_future()
        self._waiting[call.worker].append((call, passed))
        await passed

    def finish(self, call: MadeCall, result: object) -> None:
        """See ``Gate``."""
        self.began.setdefault(call.worker, len(self.taken))
        self.ended[call.worker] = len(self.taken)
        self.log.append(f"{call.worker} {call.name}{'' if not isinstance(result, BaseException) else f' ! {result!r}'}")
        if self._dying == call.worker:
            self._dying = ""
            self._die(call.worker)
            raise Died
        self.histories[call.worker] = hash((self.histories[call.worker], call.name, repr(call.about), repr(result)))

    def order(self) -> tuple[str, ...]:
        """The workers in the order in which they were at work, where one was done before the other began; else nothing."""
        first, second = sorted(WORKERS, key=lambda each: self.began.get(each, 0))
        return (first, second) if self.ended.get(first, 0) < self.began.get(second, 0) else ()

    def waiting(self) -> dict[str, list[str]]:
        """The names of the calls that wait, by worker."""
        return {worker: [call.name for call, _ in self._alive(worker)] for worker in WORKERS}

    def go_on(self) -> bool:
        """Lets one call through, or time pass where none waits. Whether anything could be done."""
        choices = [Choice(worker, place) for worker in WORKERS for place in range(len(self._alive(worker)))]
        if not choices:
            return self.world.clock.wake_next()
        try:
            choice = self.choose(self, choices)
        except CutOff:
            # Both come to their ends, so that nothing is left of them.
            self._is_cut_off = True
            for worker in WORKERS:
                self._die(worker)
            return True
        self.taken.append(choice)
        call, passed = self._waiting[choice.worker][choice.place]
        if choice.death == "before":
            self.log.append(f"{choice.worker} dies before {call.name}")
            self._die(choice.worker)
            return True
        if choice.death:
            self.log.append(f"{choice.worker} dies after {call.name}")
            self._dying = choice.worker
        del self._waiting[choice.worker][choice.place]
        passed.set_result(None)
        return True

    def play(self, actions: Sequence[Action]) -> list[Answer]:
        """Both workers do theirs, to the end. Raises ``CutOff``."""
        loop = _Loop(self.go_on)
        self.world.clock.moves_by_itself, self.world.calls.gate = False, self
        worlds = (self.world, self.world.coworker())
        try:
            answers = loop.complete(self._side_by_side(actions, worlds))
        finally:
            self.world.clock.moves_by_itself, self.world.calls.gate = True, None
        if self._is_cut_off:
            raise CutOff
        return answers

    async def _side_by_side(self, actions: Sequence[Action], worlds: Sequence[World]) -> list[Answer]:
        try:
            tasks = [_started(worker, action, world) for worker, action, world in zip(WORKERS, actions, worlds, strict=True)]
            return [_answer(each) for each in await asyncio.gather(*tasks, return_exceptions=True)]
        finally:
            # What is still under way, a renewal of a lock say, ends with its worker.
            for worker in WORKERS:
                self._die(worker)

    def _die(self, worker: str) -> None:
        self.dead.add(worker)
        for _, passed in self._waiting[worker]:
            if not passed.done():
                passed.set_exception(Died())

    def _alive(self, worker: str) -> list[tuple[MadeCall, asyncio.Future[None]]]:
        if worker in self.dead:
            return []
        waiting = self._waiting[worker] = [each for each in self._waiting[worker] if not each[1].done()]
        return waiting


class _Loop(StillLoop):
    """Asks what is to go on when nothing can by itself."""

    def __init__(self, go_on: Callable[[], bool]) -> None:
        super().__init__()
        self._go_on = go_on

    def _run_once(self) -> None:
        if not self._ready:
            self._go_on()
        super()._run_once()


def _started(worker: str, action: Action, world: World) -> asyncio.Task[Any]:
    context = copy_context()
    context.run(WORKER.set, worker)
    return asyncio.get_running_loop().create_task(_doing(action, world), context=context)


async def _doing(action: Action, world: World) -> object:
    return await action(world)


def _answer(result: object) -> Answer:
    if isinstance(result, Died):
        return Answer(died=True)
    if isinstance(result, LostRace | IllegalMove):
        return Answer(fault=result)
    if isinstance(result, LeaseholdError):
        return Answer(refusal=result)
    if isinstance(result, BaseException):
        raise result
    return Answer(result)
