"""A role's pool: its document, who comes next when it is filled, and how a pool that fails waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.core.azure_role import AzureRole
from shared.core.definition import Powers
from shared.core.names import RoleName, Scope
from shared.core.parsing import Reader
from shared.core.pool import DEFAULT_AGE, Filling, Hunger, Pool, is_low, read_pool, restore_pool, turns, write_pool
from tests.fakes.clock import START

SCOPE = Scope("/subscriptions/11111111-2222-3333-4444-555555555555")
READS = AzureRole(SCOPE, powers=Powers(changes=False))
CHANGES = AzureRole(SCOPE, powers=Powers(changes=True))
UNREAD = AzureRole(SCOPE)


def read(document: Any) -> tuple[Pool, list[str]]:
    """Returns the pool of a role's document, and the paths of its faults."""
    reader = Reader({"pool": document})
    return read_pool(reader), [fault.path for fault in reader.faults]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, Pool()),
        ({"size": 3}, Pool(3)),
        ({"size": 50, "max_age": "30d", "assigned": False}, Pool(50, 30 * 86400, assigned=False)),
        ({"size": 0, "max_age": 60, "assigned": True}, Pool(0, 60, assigned=True)),
    ],
)
def test_what_is_read_is_written_and_restored(document: dict[str, Any], expected: Pool) -> None:
    """What a role does not say about assignments stays unsaid."""
    assert (expected, []) == read(document)
    assert (expected, []) == read(write_pool(expected))
    assert expected == restore_pool(write_pool(expected))


def test_a_role_without_the_field_has_no_pool() -> None:
    """Nothing is made before somebody asks."""
    reader = Reader({})
    assert (Pool(0, DEFAULT_AGE), []) == (read_pool(reader), reader.faults)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        *(({"size": size}, "pool.size") for size in (-1, 51, "3", 2.5, True, None)),
        *(({"max_age": age}, "pool.max_age") for age in (59, "31d", "soon", None)),
        *(({"assigned": each}, "pool.assigned") for each in (1, "true", None)),
        ({"sizes": 1}, "pool.sizes"),
        (3, "pool"),
        ([], "pool"),
        (None, "pool"),
    ],
)
def test_what_is_no_pool_is_refused_at_its_path(document: Any, path: str) -> None:
    """And only there."""
    assert [path] == read(document)[1]


@pytest.mark.parametrize("stored", [None, 7, {"size": 99}, {"size": "1"}, {"max_age": 1}])
def test_a_stored_pool_that_cannot_be_read_is_empty(stored: Any) -> None:
    """Nothing is made ahead of time that nobody understands."""
    assert Pool() == restore_pool(stored)


def test_a_later_versions_field_is_passed_over() -> None:
    """What this version knows of the pool still holds."""
    assert Pool(2) == restore_pool({"size": 2, "warm": True})


@pytest.mark.parametrize(
    ("pool", "azure_roles", "has_holes", "expected"),
    [
        (Pool(1), [READS], False, True),
        (Pool(1), [READS, CHANGES], False, False),
        (Pool(1), [UNREAD], False, False),
        (Pool(1), [READS], True, False),
        (Pool(1, assigned=True), [CHANGES], False, True),
        (Pool(1, assigned=False), [READS], False, False),
        (Pool(1), [], False, True),
    ],
)
def test_who_may_change_something_is_given_that_when_asked_for(
    pool: Pool, azure_roles: list[AzureRole], *, has_holes: bool, expected: bool
) -> None:
    """Unless the role says otherwise."""
    assert expected is pool.assigns(azure_roles, has_holes=has_holes)


def hungry(name: str, wanted: int, standing: int, since: float = 0) -> Hunger:
    """A pool that has been short for so many seconds less."""
    return Hunger(RoleName(name), wanted, standing, START + timedelta(seconds=since))


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ([], ""),
        ([hungry("a", 2, 2)], ""),
        ([hungry("a", 2, 0)], "aa"),
        ([hungry("a", 50, 0)], "aaaa"),
        ([hungry("a", 50, 0, 5), hungry("b", 50, 0)], "babababa"),
        ([hungry("a", 4, 3), hungry("b", 2, 0)], "bba"),
        ([hungry("a", 10, 8), hungry("b", 2, 1)], "baa"),
        ([hungry(each, 50, 0) for each in "abcd"], "abcdabcdab"),
        ([hungry("a", 2, 5), hungry("b", 1, 0)], "b"),
    ],
)
def test_the_largest_missing_share_comes_first_and_no_pool_starves_another(pools: list[Hunger], expected: str) -> None:
    """At most four of a role, and ten of a run; of equal shares who has waited longest."""
    assert expected == "".join(turns(pools))


def test_a_failing_pool_waits_longer_and_longer_up_to_a_quarter_of_an_hour() -> None:
    """It remembers since when it has been short."""
    going, waits = Filling(), list[float]()
    for _ in range(9):
        going = going.failed(START, "azure_refused", 0.5)
        assert going.next_at is not None
        waits.append((going.next_at - START).total_seconds())
        assert (START, "azure_refused") == (going.hungry_since, going.last_error)
    assert [15, 30, 60, 120, 240, 480, 900, 900, 900] == waits
    assert going.is_waiting(START + timedelta(seconds=899))
    assert not going.is_waiting(START + timedelta(seconds=900))
    assert not Filling().is_waiting(START)
    assert going.taken_up(START + timedelta(seconds=899)) is None
    assert going.taken_up(START + timedelta(seconds=900)) is not None


def test_a_pool_that_fails_for_weeks_still_waits_a_quarter_of_an_hour() -> None:
    """However often it has failed."""
    going = Filling(failures=5000).failed(START, "azure_refused", 0.5)
    assert (5001, START + timedelta(seconds=900)) == (going.failures, going.next_at)


@pytest.mark.parametrize(
    ("ready", "wanted", "expected"), [(0, 1, True), (1, 1, False), (1, 2, False), (1, 3, True), (2, 4, False), (0, 0, False)]
)
def test_a_pool_is_low_below_half(ready: int, wanted: int, *, expected: bool) -> None:
    """Rounded up."""
    assert expected is is_low(ready, wanted)
