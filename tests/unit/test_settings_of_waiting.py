"""The settings of leases for which nobody waits."""

from __future__ import annotations

import pytest

from shared.core.errors import Misconfigured
from shared.settings import load
from tests.unit.test_settings import LEAST

BOUNDS = [
    ("COLLECT_SECONDS", "collect", 60, 86_400),
    ("GRACE_SECONDS", "grace", 0, 3600),
    ("PREPARE_SECONDS", "prepare", 60, 3600),
]


@pytest.mark.parametrize(("name", "field", "least", "most"), BOUNDS)
def test_a_time_is_taken_from_its_least_to_its_most(name: str, field: str, least: int, most: int) -> None:
    """Both included."""
    for number in (least, most):
        assert number == getattr(load(LEAST | {f"LEASEHOLD_{name}": str(number)}).leases, field)


@pytest.mark.parametrize(
    ("name", "number"), [(each[0], each[3] + 1) for each in BOUNDS] + [("COLLECT_SECONDS", 59), ("PREPARE_SECONDS", 59)]
)
def test_a_time_beyond_its_bounds_is_refused(name: str, number: int) -> None:
    """By its name."""
    with pytest.raises(Misconfigured, match=f"LEASEHOLD_{name}: expected a number from"):
        load(LEAST | {f"LEASEHOLD_{name}": str(number)})
