"""The arithmetic of the benchmarks' figures."""

from __future__ import annotations

import pytest

from tests.bench.figures import Figure, Interval, Relation, Target, covered, percentile, table


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    """The least that so large a share of them does not exceed; their order does not matter."""
    assert expected == percentile(list(range(100, 0, -1)), share)


def test_the_only_value_is_every_percentile() -> None:
    """However small the share."""
    assert [7.0, 7.0] == [percentile([7.0], 0.001), percentile([7.0], 1.0)]


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.01)])
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float) -> None:
    """And so is a share that is none."""
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0),
        ([(2, 4)], 2),
        ([(2, 4), (6, 7)], 3),
        ([(2, 5), (4, 7)], 5),
        ([(2, 8), (3, 4), (5, 6)], 6),
        ([(6, 7), (2, 4)], 3),
        ([(2, 4), (2, 4)], 2),
        ([(-5, 1), (9, 15)], 2),
        ([(-5, 15), (3, 4)], 10),
        ([(-5, -1), (11, 12)], 0),
    ],
    ids=["none", "one", "apart", "overlapping", "nested", "unordered", "twice", "beyond both ends", "all", "outside"],
)
def test_time_is_covered_once_however_many_intervals_do(intervals: list[Interval], expected: float) -> None:
    """And only between the two ends, 0 and 10."""
    assert expected == covered(intervals, (0, 10))


@pytest.mark.parametrize(
    ("relation", "found"),
    [("<=", [True, True, False]), ("<", [True, False, False]), (">=", [False, True, True]), ("=", [False, True, False])],
)
def test_a_target_is_met_or_not(relation: Relation, found: list[bool]) -> None:
    """By the values 4, 5 and 6, the target being 5."""
    assert found == [Figure("x", value, "calls", Target(relation, 5)).met for value in (4, 5, 6)]


def test_a_figure_without_a_target_is_neither_met_nor_missed() -> None:
    """It is there to be read."""
    assert {"name": "x", "value": 1.5, "unit": "s", "target": None, "met": None} == Figure("x", 1.5, "s").as_json()


def test_a_table_says_which_targets_are_missed() -> None:
    """In columns as wide as their widest cells."""
    figures = [Figure("calls", 5, "calls", Target("<=", 4)), Figure("a longer name", 0.25, "s", Target("<", 0.5))]
    assert (
        "  calls          5 calls  <= 4    NOT MET\n"
        "  a longer name   0.25 s  < 0.50  met"
    ) == table(figures)  # fmt: skip
