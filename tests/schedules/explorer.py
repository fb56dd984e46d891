"""Every schedule of two operations, depth-first, with states that were met before cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.fakes.world import World
from tests.model.judge import Answer
from tests.schedules.scheduler import Choice, CutOff, Schedule
from tests.support.operations import Action


@dataclass(frozen=True, slots=True)
class Pair:
    """Two operations that meet in a world."""

    name: str
    make: Callable[[], World]
    actions: tuple[Action, Action]


@dataclass(frozen=True, slots=True)
class Bound:
    """How far schedules may stray: how often a worker is stopped although it could go on, calls that it makes side by side
    put out of their order included; and whether one worker may die.
    """

    preemptions: int
    deaths: bool = False


@dataclass(slots=True)
class Explored:
    """What came of it. ``complete``: every schedule within the bound was walked; ``bounded``: there are others."""

    schedules: int = 0
    cut: int = 0
    deaths: int = 0
    complete: bool = True
    bounded: bool = False
    violations: list[str] = field(default_factory=list)


type Judge = Callable[[World, Sequence[Answer], Sequence[str]], None]
"""Raises ``AssertionError`` where what came of a schedule is wrong. Last: the order of the workers, where there was one."""
type _Plan = tuple[Choice, ...]
"""Choices to repeat first."""


@dataclass(slots=True)
class _Walk:
    bound: Bound
    seen: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    """What was left of the bound when a state was met."""
    open: list[_Plan] = field(default_factory=lambda: [()])
    bounded: bool = False

    def chooser(self, plan: _Plan) -> Callable[[Schedule, Sequence[Choice]], Choice]:
        """Repeats the plan, goes on without straying, and notes where it might have strayed."""
        left = [self.bound.preemptions, self.bound.deaths]

        def choose(schedule: Schedule, choices: Sequence[Choice]) -> Choice:
            step = len(schedule.taken)
            usual = _usual(schedule, choices)
            if step < len(plan):
                choice = plan[step]
            else:
                self._cut_off(schedule, left)
                choice = usual[0]
                self._note(schedule, choices, usual, left)
            left[0] -= choice not in usual and not choice.death
            left[1] = left[1] and not choice.death
            return choice

        return choose

    def _note(self, schedule: Schedule, choices: Sequence[Choice], usual: Sequence[Choice], left: Sequence[int]) -> None:
        former = tuple(schedule.taken)
        self.bounded = self.bounded or (not left[0] and len(choices) > len(usual))
        others = [*usual[1:], *((each for each in choices if each not in usual) if left[0] else ())]
        if left[1]:
            others += [Choice(each.worker, each.place, death) for each in usual for death in ("before", "after")]
        self.open += [(*former, each) for each in others]

    def _cut_off(self, schedule: Schedule, left: Sequence[int]) -> None:
        found = self.seen.setdefault(digest(schedule), [])
        mine = (left[0], bool(left[1]))
        if any(preemptions >= mine[0] and deaths >= mine[1] for preemptions, deaths in found):
            raise CutOff
        found.append(mine)


def _usual(schedule: Schedule, choices: Sequence[Choice]) -> list[Choice]:
    """The choices with which nobody is stopped: the same worker goes on; where it cannot, whoever can."""
    last = next((each.worker for each in reversed(schedule.taken)), None)
    same = [each for each in choices if each.worker == last]
    if same:
        return same[:1]
    return [each for each in choices if not each.place]


def explore(pair: Pair, bound: Bound, judge: Judge, *, until: float | None = None, first: bool = False) -> Explored:
    """All schedules within the bound, or as many as there is time for: ``until`` is on the machine's monotonic clock.

    ``first``: up to the first violation.
    """
    found, walk = Explored(), _Walk(bound)
    while walk.open:
        if until is not None and time.monotonic() > until:
            found.complete = False
            break
        plan = walk.open.pop()
        schedule = Schedule(pair.make(), walk.chooser(plan))
        try:
            answers = schedule.play(pair.actions)
        except CutOff:
            found.cut += 1
            continue
        found.schedules += 1
        found.deaths += any(each.died for each in answers)
        if wrong := _wrong(schedule, answers, judge):
            found.violations.append(f"{pair.name}: {written(schedule.taken)}\n{wrong}\n  " + "\n  ".join(schedule.log))
            if first:
                found.complete = False
                break
    found.bounded = walk.bounded
    return found


def replay(pair: Pair, number: str, judge: Judge) -> str:
    """The schedule that begins with that number once more; what is wrong with it, and what was called.

    Raises ``ValueError`` where there is none, or none any more.
    """
    planned = [Choice.parse(each) for each in number.split(".")]

    def choose(schedule: Schedule, choices: Sequence[Choice]) -> Choice:
        step = len(schedule.taken)
        choice = planned[step] if step < len(planned) else _usual(schedule, choices)[0]
        if replace(choice, death="") not in choices:
            raise ValueError(f"at step {step + 1} of {number} there is no {choice}, but {', '.join(map(str, choices))}")
        return choice

    schedule = Schedule(pair.make(), choose)
    answers = schedule.play(pair.actions)
    return "\n".join([_wrong(schedule, answers, judge), *schedule.log])


def written(choices: Sequence[Choice]) -> str:
    """A schedule's number."""
    return ".".join(map(str, choices))


def _wrong(schedule: Schedule, answers: Sequence[Answer], judge: Judge) -> str:
    try:
        judge(schedule.world, answers, schedule.order())
    except AssertionError as wrong:
        return str(wrong) or repr(wrong)
    return ""


def digest(schedule: Schedule) -> int:
    """Of all on which the rest of a schedule depends: what is stored, what is in Azure, what each worker was told, the time."""
    world = schedule.world
    stored = (
        sorted(map(repr, world.leases.rows.values())),
        sorted(map(repr, world.leases.keys.values())),
        world.roles.contents(),
        world.access.contents(),
        world.caller_records.contents(),
        sorted(map(repr, world.audit.events)),
        sorted(map(repr, world.locks.rows.values())),
        sorted(world.revocations.texts),
        sorted(map(repr, world.queued_markers.kept.items())),
        sorted(map(repr, world.generations.rows.values())),
        sorted(map(repr, world.leased.rows.items())),
        world.run_history.contents(),
    )
    azure = (
        sorted(map(repr, world.cloud.applications.values())),
        sorted(map(repr, world.cloud.principals.values())),
        sorted(map(repr, world.cloud.assignments.items())),
        sorted(map(repr, world.cloud.bin.values())),
        sorted((group, sorted(members)) for group, members in world.cloud.groups.items()),
        sorted(map(repr, world.cloud.elsewhere.items())),
    )
    workers = (sorted(schedule.histories.items()), sorted(schedule.dead), sorted(schedule.waiting().items()))
    # Whoever goes on without being stopped is not stopped by the next choice either: who was last is part of it.
    last = schedule.taken[-1].worker if schedule.taken else ""
    # And whether one was done before the other began, by which it is judged.
    return hash(repr((stored, azure, workers, world.clock.monotonic(), last, schedule.order())))
