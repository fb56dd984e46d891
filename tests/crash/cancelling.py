"""Walks in which a verb is cancelled: after each step of the event loop in turn, and so at each of its awaits.

A caller hangs up: the verb's task is cancelled, and the worker lives on. A host drains: all its tasks are cancelled at once. A
step is what a task does between two awaits. So a verb is struck wherever it waits: for the outside, for the clock, for a lock,
for another task. Every call takes two steps at least: its request travels, and its answer travels.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.revoke import revoke
from shared.core.audit import AuditEvent
from tests.crash.operations import Operation, all_operations, at_once
from tests.crash.promised import require_promised
from tests.crash.walk import Scenario, live
from tests.crash.ways import Struck, require_answers_told, require_ends_told, require_forgotten
from tests.fakes.clock import FakeClock
from tests.fakes.loop import StillLoop
from tests.fakes.world import BOB, WEB, World, request, role, world
from tests.model.judge import Answer, answer_of, start_of
from tests.support.every_kind import kinds_for
from tests.support.operations import TARGETS, Action, issuing

_BREATHS = 40
"""Steps in which what a cancelled verb had under way, a read that others share say, comes to its end."""
LONGER = 0.6
"""Seconds that the next caller may take longer than usual: a pause in line for an application."""


WORKER = "the worker"
"""The name of the task that is never cancelled."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a verb is after a step: the calls that it has begun, and those that have taken effect."""

    begun: int
    done: int


@dataclass(slots=True)
class Course:
    """How a verb ran. ``steps``: how far it was after each. ``told``: what the audit trail says of it."""

    steps: list[Reached] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: Answer(died=True))
    told: Sequence[AuditEvent] = ()
    next_took: float = 0.0
    """Seconds of the worker's next caller."""


class CancellingLoop(StillLoop):
    """Cancels ``work`` after so many of its steps, or ``everything`` that is under way then."""

    def __init__(self, step: int, *, everything: bool) -> None:
        super().__init__()
        self.work: asyncio.Task[Any] | None = None
        self.unheard: list[str] = []
        """Failures of tasks that nobody has asked for."""
        self.has_cancelled = False
        self.watch: Callable[[], None] = lambda: None
        self._left = step
        self._everything = everything
        self.set_exception_handler(lambda _, result: self.unheard.append(repr(result.get("exception", result["message"]))))

    def after_step(self) -> None:
        """See ``StillLoop``."""
        if self.work is None or self.work.done():
            return
        self.watch()
        self._left -= 1
        if self._left == 0:
            self.has_cancelled = True
            for each in asyncio.all_tasks(self) if self._everything else (self.work,):
                if each.get_name() != WORKER:
                    each.cancel()


def run(world: World, action: Action, step: int = 0, *, drains: bool = False) -> Course:
    """Does the operation; after that step its caller hangs up, or the host drains. 0: neither ever happens.

    Raises ``AssertionError`` where the worker has something under way afterwards, or has not heard of a failure.
    """
    course, loop = Course(), CancellingLoop(step, everything=drains)
    world.calls.answers_travel = True
    try:
        loop.complete(_worker(world, action, loop, course, lives_on=not drains))
    finally:
        world.calls.answers_travel = False
    # Failures that nobody has asked for are told when their tasks are forgotten.
    gc.collect(1)
    assert [] == loop.unheard, f"nobody has heard of {loop.unheard}"
    return course


async def _worker(world: World, action: Action, loop: CancellingLoop, course: Course, *, lives_on: bool) -> None:
    calls, result = len(world.calls.made), len(world.audit.events)

    start = start_of(world)

    async def noted(world: World) -> None:
        course.answer = await answer_of(action, world)

    def watch() -> None:
        made = world.calls.made[calls:]
        course.steps.append(Reached(len(made), sum(each.over is not None for each in made)))

    current = asyncio.current_task()
    assert current is not None
    current.set_name(WORKER)
    loop.watch = watch
    loop.work = asyncio.ensure_future(noted(world))
    await asyncio.wait({loop.work})
    if not loop.work.cancelled():
        loop.work.result()
    loop.work = None
    course.told = world.audit.events[result:]
    require_promised(world, start, [action], [course.answer], failing=True)
    begun = len(world.calls.made)
    await require_nothing_under_way(world.clock)
    assert begun == len(world.calls.made), f"begun after the end: {world.calls.names()[begun:]}"
    if lives_on:
        began = world.clock.monotonic()
        await live(world, _the_next_caller)
        course.next_took = world.clock.monotonic() - began


async def require_nothing_under_way(clock: FakeClock) -> None:
    """Calls that are under way come to their ends, and nobody waits for the clock."""
    at, left = clock.monotonic(), set[asyncio.Task[Any]]()
    for _ in range(_BREATHS):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            break
        await asyncio.sleep(0)
    assert not left, f"still under way: {left}"
    assert at == clock.monotonic(), "somebody has waited for the clock"


async def _the_next_caller(world: World) -> None:
    """Issues, and gives it back: an application is changed twice."""
    issued = await issue(world.ports, request(BOB), IssueRequest(WEB, ask=world.ask))
    await revoke(world.ports, request(BOB), issued.lease.id)


def cancellable() -> Iterator[tuple[str, Operation]]:
    """The operations of the matrix, and an issue that lines up for room in its role."""
    yield from all_operations()
    for kind, target in TARGETS.items():
        make = partial(world, role(target, max_leases=9), kinds=kinds_for(target))
        within = Scenario("issue within a limit", make, issuing)
        yield f"issue within a limit, {kind}", Operation(within, "issue", at_once)


def every_step(course: Course) -> list[int]:
    """All of them."""
    return [*range(1, len(course.steps) + 1)]


def each_call_once(course: Course) -> list[int]:
    """For each call a step after which it is under way: every other one with its effect, and only the answer not there yet."""
    found = []
    for ordinal in range(1, course.steps[-1].begun + 1):
        reached = [each.begun if ordinal % 2 else each.done for each in course.steps]
        found.append(next(step for step, many in enumerate(reached, 1) if many >= ordinal))
    return sorted({*found})


def walk(operation: Operation, choose: Callable[[Course], Sequence[int]], *, latency: float = 0.0, drains: bool = False) -> int:
    """The operation cancelled after each of the chosen steps, after which all holds that must hold after a death; the cases.

    And the worker serves its next caller as fast as ever.
    """
    usual = run(_made(operation, latency), operation.scenario.action)
    # A verb that was cut off may leave a role from which the next caller issues, where it would have been refused at once.
    alone = run(_made(operation, latency), _nothing).next_took
    # Where calls are slow, a lease's lock is renewed beside them. A lock that is released while it is renewed costs a call
    # more, there and back, and whether the two meet is a matter of an instant.
    longest = LONGER + max(usual.next_took, alone) + 2 * latency
    steps = choose(usual)
    for step in steps:
        struck = _made(operation, latency)
        course = run(struck, operation.scenario.action, step, drains=drains)
        assert course.next_took <= longest, f"step {step}: the next caller waits {course.next_took} s"
        struck.calls.latency = 0.0
        answers = [] if course.answer.died or course.answer.refusal else [course.answer.value]
        require_answers_told(Struck(struck, answers, [*course.told]), operation.told)
        operation.rest(struck)
        require_ends_told(struck)
        require_forgotten(struck)
    return len(steps)


async def _nothing(_: World) -> None:
    """What no next caller waits for."""


def _made(operation: Operation, latency: float) -> World:
    made = operation.scenario.make()
    made.calls.latency = latency
    return made
