from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.core.errors import Refused, Throttled, Unavailable, Unreachable, Upstream
from tests.crash.alternating import alternating
from tests.crash.scenarios import scenarios
from tests.crash.walk import Scenario, length, sweep_once, walked
from tests.fakes.calls import Died
from tests.support.operations import TARGETS, WALKED, issuing

LAGS = (3.0,)
"""Seconds for which fresh objects read as absent: longer than a call, shorter than an undo asks again."""
LONG_LAG = 25.0
"""Longer than an undo asks again: only the second look, some minutes later, finds such objects."""

WALKS = [
    pytest.param(scenario, id=f"{scenario.name}, {kind}, lag {lag:.0f} s")
    for lag in LAGS
    for kind, target in WALKED.items()
    for scenario in scenarios(target, lag)
]

type Report = Callable[[str, object], None]


@pytest.mark.parametrize("scenario", WALKS)
def test_death_at_any_call_leaves_nothing(scenario: Scenario, record_property: Report) -> None:
    """A worker that dies before or after any call leaves no object without a live lease, and in the end nothing."""
    count = walked(scenario, Died)
    record_property("cases", count)
    assert count == 2 * length(scenario) > 0


@pytest.mark.parametrize(("scenario", "error"), alternating(WALKS, {"silence": Unreachable, "5xx": Unavailable}))
def test_a_lost_answer_at_any_call_leaves_nothing(scenario: Scenario, error: type[Upstream], record_property: Report) -> None:
    """A call of which nobody knows whether it took effect leaves nothing, whether it did or not."""
    count = walked(scenario, error)
    record_property("cases", count)
    assert count > 0


@pytest.mark.parametrize(("scenario", "error"), alternating(WALKS, {"a definite no": Refused, "429": Throttled}))
def test_a_definite_no_at_any_call_leaves_nothing(scenario: Scenario, error: type[Upstream], record_property: Report) -> None:
    """A call that fails without effect leaves nothing."""
    count = walked(scenario, error, also_after=False)
    record_property("cases", count)
    assert count > 0


@pytest.mark.parametrize("kind", TARGETS)
def test_death_while_replication_is_slow_leaves_no_live_object(kind: str, record_property: Report) -> None:
    """When objects stay invisible for longer than an undo asks, the second look finds them.

    A principal that became visible only after its application was deleted may stay in the recycle bin, which empties itself.
    """
    scenario = scenarios(TARGETS[kind], LONG_LAG)[0]
    count = walked(scenario, Died)
    record_property("cases", count)
    assert count > 0


def test_an_undisturbed_lease_ends_at_its_first_sweep() -> None:
    """The walks would notice a sweep that does nothing: one sweep after its end, an undisturbed lease has left nothing."""
    world = scenarios(TARGETS["service principal"])[0].make()
    world.run(lambda: issuing(world))
    assert world.leftovers()
    world.clock.jump(301)
    sweep_once(world)
    assert [] == world.leftovers()
