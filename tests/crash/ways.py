"""The ways in which one call to the outside can go wrong, and what must hold in the end whichever it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.broker.issue.issue import Issued
from shared.broker.issue.preparations import Accepted
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Refused, Throttled, Unavailable, Unreachable
from shared.core.lease import State
from tests.crash.alternating import by_turns
from tests.crash.walk import FaultAt, Scenario, length, strike, sweep_once
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.full import IS_FULL

RETENTION = timedelta(days=7, hours=1)
"""Longer than ended leases are kept."""
_THIRDS = 3


@dataclass(frozen=True, slots=True)
class Way:
    """How the call goes wrong: ``error`` instead of an answer, before or after it takes effect."""

    name: str
    error: Callable[[], BaseException]
    after: bool = False


WAYS = (
    Way("the worker dies before the effect", Died),
    Way("the worker dies after the effect", Died, after=True),
    Way("the answer is lost after the effect", Unreachable, after=True),
    Way("429", lambda: Throttled(status=429)),
    Way("429 with Retry-After", lambda: Throttled(status=429, retry_after=45.0)),
    Way("5xx without effect", lambda: Unavailable(status=503)),
    Way("5xx after the effect", lambda: Unavailable(status=500), after=True),
    Way("timeout without effect", Unreachable),
    Way("a definite no", Refused),
)

_LOST = "the answer is lost after the effect"
_ALWAYS = {"the worker dies after the effect", _LOST}
"""The two that differ most. A death before a call's effect leaves nearly what a death after the call before it leaves, and
the other ways are failures that the same retry meets."""
_BY_TURNS = tuple(way for way in WAYS if way.name not in _ALWAYS)


def ways_of(place: int) -> list[Way]:
    """The ways of one operation: all with ``WALKS=full``, and else those of always and a third of the others, by its turn."""
    if IS_FULL:
        return list(WAYS)
    third = _BY_TURNS[place % _THIRDS :: _THIRDS]
    return [way for way in WAYS if way.name in _ALWAYS or way in third]


def calls_of(calls: int, way: Way, place: int) -> Sequence[int]:
    """Which of an operation's ``calls`` go wrong in this way, from 1. The worker dies after each. Every other answer is lost,
    and every third call meets a way by turns.
    """
    step = 2 if way.name == _LOST else 1 if way.name in _ALWAYS else _THIRDS
    return by_turns(range(1, calls + 1), place, step=step)


@dataclass(frozen=True, slots=True)
class Struck:
    """A world in which one call of an operation went wrong. ``answers`` is empty when it failed or its worker died."""

    world: World
    answers: list[object]
    told: list[AuditEvent]
    """What the audit trail says of the operation."""


def struck(scenario: Scenario, way: Way, calls: Iterable[int] | None = None) -> Iterator[Struck]:
    """Once for each of these calls, from 1; for each that the undisturbed operation makes, if none are named."""
    for ordinal in range(1, length(scenario) + 1) if calls is None else calls:
        world = scenario.make()
        before = len(world.audit.events)
        answer = strike(world, scenario.action, FaultAt(ordinal, after=way.after), way.error())
        answers = [] if answer.died or answer.refusal else [answer.value]
        yield Struck(world, answers, world.audit.events[before:])


def require_answers_told(case: Struck, operation: str) -> None:
    """What was answered as done is in the audit trail; so is the issue of every credential that was handed out."""
    done = [event for event in case.told if event.outcome is not Outcome.REFUSED]
    for answer in case.answers:
        # Whoever collects and is told to come back has got nothing.
        is_told_to_wait = isinstance(answer, Accepted) and operation in {"issue", "reissue"}
        assert not operation or is_told_to_wait or operation in {event.operation for event in done}
        if isinstance(answer, Issued):
            named = {event.operation for event in case.world.audit.events if event.lease == answer.lease.id}
            assert "issue" in named or "reissue" in named


def require_ends_told(world: World) -> None:
    """Of every lease that has ended the trail says that it has, and why; one that was let go is told as such."""
    for lease in world.leases.rows.values():
        assert State.ENDED is lease.state
        result = [event for event in world.audit.events if event.lease == lease.id and event.outcome is Outcome.DONE]
        ends = [event.reason for event in result if event.operation == "end"]
        assert str(lease.cause) in ends or "force_revoke" in {event.operation for event in result}, lease.id


def require_forgotten(world: World) -> None:
    """After the retention the tables hold no lease, no key, no turn and no ticket that anybody would still respect.

    A key whose lease never came to be is forgotten by the reconciliation.
    """
    world.clock.jump(RETENTION.total_seconds())
    sweep_once(world)
    now = world.clock.now()
    world.run(lambda: world.leases.forget_keys(now))
    assert ({}, {}) == (world.leases.rows, world.leases.keys)
    assert all(lock.until <= now for lock in world.locks.rows.values())
    assert all(until <= now for _, until in world.queued_markers.kept.values())
