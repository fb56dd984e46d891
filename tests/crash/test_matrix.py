"""The matrix: every operation, every call that it makes to the outside, every way in which that call can go wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.crash.alternating import by_turns
from tests.crash.operations import Operation, all_operations
from tests.crash.scenarios import issuing_scenarios
from tests.crash.walk import FaultAt, Scenario, deaths, length, require_nothing_left, require_owned, strike
from tests.crash.ways import WAYS, Way, calls_of, require_answers_told, require_ends_told, require_forgotten, struck, ways_of
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.operations import TARGETS, WALKED, sweeping

_OPERATIONS = dict(all_operations())


def cases() -> Iterator[tuple[str, Operation, Way, int]]:
    """Every operation with its ways and its place in their turns. Over the kinds of which every operation is struck, each
    operation meets every way.
    """
    earlier, kinds = Counter[str](), Counter[str]()
    for name, operation in _OPERATIONS.items():
        verb, _, kind = name.rpartition(", ")
        place = earlier[verb] + kinds[kind]
        for way in ways_of(place):
            yield name, operation, way, place
        earlier[verb] += 1
        kinds[kind] += 1


ISSUES = [
    pytest.param(scenario, id=f"{scenario.name}, {kind}")
    for kind, target in TARGETS.items()
    for scenario in issuing_scenarios(target)
]

type Report = Callable[[str, object], None]


@pytest.mark.parametrize(
    ("operation", "way", "place"),
    [pytest.param(operation, way, place, id=f"{name}-{way.name}") for name, operation, way, place in cases()],
)
def test_nothing_is_lost_whatever_befalls_any_call(operation: Operation, way: Way, place: int, record_property: Report) -> None:
    """Directory, recycle bin, assignments, memberships and secrets end empty, and the trail tells it.

    The tables then hold ended leases only, and after their retention nothing.
    """
    count = 0
    calls = calls_of(length(operation.scenario), way, place)
    for case in struck(operation.scenario, way, calls):
        require_answers_told(case, operation.told)
        operation.rest(case.world)
        require_ends_told(case.world)
        require_forgotten(case.world)
        count += 1
    record_property("cases", count)
    assert count == len(calls) > 0


@pytest.mark.parametrize(
    ("place", "scenario"), [pytest.param(place, *each.values, id=each.id) for place, each in enumerate(ISSUES)]
)
def test_an_issue_that_dies_and_a_sweep_that_dies_after_it_leave_nothing(
    place: int, scenario: Scenario, record_property: Report
) -> None:
    """After a call of the one, and after each call of the other: the next sweeps finish, and tell it.

    Of three issues in a row, one dies after its first, fourth, seventh call, the next after its second, and so on. With
    ``WALKS=full`` each dies after each of its calls, and before each as well. Before a call is nearly as after the one before
    it: not where several calls are under way.
    """
    firsts = by_turns([*deaths(scenario)], place)
    count = 0
    for first in firsts:
        ordinal, died = 0, True
        while died:
            ordinal += 1
            world, died = dead_twice(scenario, first, FaultAt(ordinal, after=True))
            require_owned(world)
            require_nothing_left(world)
            require_ends_told(world)
            count += died
    record_property("cases", count)
    assert count > 2 * len(firsts)


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
    for name, _, way, _ in cases():
        verb, _, kind = name.rpartition(", ")
        ways[verb].add(way.name)
        kinds[verb].add(kind)
    assert [] == [verb for verb in ways if kinds[verb] >= {*WALKED} and len(ways[verb]) < len(WAYS)]
    assert {(way.name.partition(" ")[0], way.after) for way in WAYS} >= {("429", False), ("5xx", False), ("5xx", True)}
