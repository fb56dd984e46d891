"""The matrix: every operation, every call that it makes to the outside, every way in which that call can go wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.crash.operations import Operation, all_operations
from tests.crash.scenarios import issuing_scenarios
from tests.crash.walk import FaultAt, Scenario, faults, length, require_nothing_left, require_owned, strike
from tests.crash.ways import WAYS, Way, require_answers_told, require_ends_told, require_forgotten, struck, ways_of
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.full import IS_FULL
from tests.support.operations import TARGETS, WALKED, sweeping

_OPERATIONS = dict(all_operations())


def cases() -> Iterator[tuple[str, Operation, Way]]:
    """Every operation with its ways. Over the kinds of which every operation is struck, each operation meets every way."""
    earlier, kinds = Counter[str](), Counter[str]()
    for name, operation in _OPERATIONS.items():
        verb, _, kind = name.rpartition(", ")
        for way in ways_of(earlier[verb] + kinds[kind]):
            yield name, operation, way
        earlier[verb] += 1
        kinds[kind] += 1


ISSUES = [
    pytest.param(scenario, id=f"{scenario.name}, {kind}")
    for kind, target in TARGETS.items()
    for scenario in issuing_scenarios(target)
]

type Report = Callable[[str, object], None]


@pytest.mark.parametrize(
    ("operation", "way"), [pytest.param(operation, way, id=f"{name}-{way.name}") for name, operation, way in cases()]
)
def test_nothing_is_lost_whatever_befalls_any_call(operation: Operation, way: Way, record_property: Report) -> None:
    """Directory, recycle bin, assignments, memberships and secrets end empty, and the trail tells it.

    The tables then hold ended leases only, and after their retention nothing.
    """
    count = 0
    for case in struck(operation.scenario, way):
        require_answers_told(case, operation.told)
        operation.rest(case.world)
        require_ends_told(case.world)
        require_forgotten(case.world)
        count += 1
    record_property("cases", count)
    assert count == length(operation.scenario) > 0


@pytest.mark.parametrize("scenario", ISSUES)
def test_an_issue_that_dies_and_a_sweep_that_dies_after_it_leave_nothing(scenario: Scenario, record_property: Report) -> None:
    """After each call of the one, and after each call of the other: the next sweeps finish, and tell it.

    Before a call is as after the one before it, and before the first call nothing has been done. Where an issue has several
    calls under way that is not quite so: ``WALKS=full`` lets it die before each of its calls as well.
    """
    count = 0
    for first in faults(scenario):
        if not (first.after or IS_FULL):
            continue
        ordinal, died = 0, True
        while died:
            ordinal += 1
            world, died = dead_twice(scenario, first, FaultAt(ordinal, after=True))
            require_owned(world)
            require_nothing_left(world)
            require_ends_told(world)
            count += died
    record_property("cases", count)
    assert count > len(list(faults(scenario)))


def dead_twice(scenario: Scenario, first: FaultAt, second: FaultAt) -> tuple[World, bool]:
    """Died while issuing, and then in the sweep, unless that was over before."""
    world = scenario.make()
    strike(world, scenario.action, first, Died())
    world.clock.jump(400)
    before = len(world.calls.made)
    strike(world, sweeping, second, Died())
    return world, len(world.calls.made) >= before + second.ordinal


def test_the_matrix_holds_every_operation_and_every_way() -> None:
    """So that none is dropped by accident: two types of role, and whoever adds an operation adds it here."""
    names = [name for name, _ in all_operations()]
    assert len(names) == len(set(names)) >= 42
    ways, kinds = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for name, _, way in cases():
        verb, _, kind = name.rpartition(", ")
        ways[verb].add(way.name)
        kinds[verb].add(kind)
    assert [] == [verb for verb in ways if kinds[verb] >= {*WALKED} and len(ways[verb]) < len(WAYS)]
    assert {(way.name.partition(" ")[0], way.after) for way in WAYS} >= {("429", False), ("5xx", False), ("5xx", True)}
