from __future__ import annotations

from itertools import groupby

import pytest

from tests.crash import alternating as alternating_module
from tests.crash.alternating import alternating
from tests.spreading import in_order_of_units, unit_of

_SHORT = [f"tests/unit/test_{name}.py::test_it" for name in "abc"]
_WAITING = [f"tests/e2e/test_{name}.py::test_{number}" for name in "ab" for number in range(3)]
_WALKS = [f"tests/crash/test_matrix.py::test_nothing_is_lost[{number}]" for number in range(200)]


def test_every_test_is_handed_out_once_and_no_unit_is_interrupted() -> None:
    """A file's fixtures are made once, and a unit is not begun twice."""
    asked = [*_SHORT, *_WALKS, *_WAITING]
    ordered = in_order_of_units(asked)
    assert sorted(asked) == sorted(ordered)
    units = [unit for unit, _ in groupby(map(unit_of, ordered))]
    assert len(units) == len(set(units))


def test_a_file_is_one_unit_unless_it_holds_walks() -> None:
    """The tests of a stack share it; walks share nothing, and their files take minutes."""
    assert 2 == len({unit_of(each) for each in _WAITING})
    assert len({unit_of(each) for each in _WALKS}) > 10


def test_what_waits_stands_between_what_works_and_the_short_come_last() -> None:
    """So that a process that waits leaves the processor to one that does not, and the end is even."""
    files = [unit.partition(" ")[0] for unit, _ in groupby(map(unit_of, in_order_of_units([*_SHORT, *_WAITING, *_WALKS])))]
    matrix = "tests/crash/test_matrix.py"
    assert ["tests/e2e/test_a.py", matrix, matrix, "tests/e2e/test_b.py", matrix] == files[:5]
    assert [f"tests/unit/test_{name}.py" for name in "abc"] == files[-3:]


@pytest.mark.parametrize(("is_full", "many"), [(False, 2), (True, 4)])
def test_a_walk_meets_what_is_named_and_the_others_by_turns(
    is_full: bool,  # noqa: FBT001 - a parameter of the test
    many: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many walks in a row as there are others meet all of them."""
    monkeypatch.setattr(alternating_module, "IS_FULL", is_full)
    found = alternating(["x", pytest.param("why", id="y"), "z"], {"death": 0, "a": 1, "b": 2, "c": 3}, always=["death"])
    assert 3 * many == len(found)
    assert {"x-death", "y-death", "z-death"} <= {each.id for each in found}
    assert {0, 1, 2, 3} == {each.values[1] for each in found}
    assert {"x", "why", "z"} == {each.values[0] for each in found}
