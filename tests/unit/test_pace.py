"""When it is worth asking again."""

from __future__ import annotations

import pytest

from shared.resilience.pace import Pace


@pytest.mark.parametrize(
    ("took", "expected"),
    [
        ((), 15),
        ((1.0,), 5),
        ((12.4,), 12),
        ((400.0,), 30),
        ((10.0, 11.0, 300.0), 11),
        ((30.0,) * 100 + (8.0,) * 16, 8),
    ],
)
def test_it_is_the_median_of_the_last_sixteen_within_bounds(took: tuple[float, ...], expected: int) -> None:
    """5 to 30 seconds; 15 if nothing is known."""
    pace = Pace()
    for seconds in took:
        pace.note("web", seconds)
    assert (expected, 15) == (pace.after("web"), pace.after("other"))
