from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.core.errors import Locked, Unreachable, Upstream
from tests.crash.scenarios import forced
from tests.crash.walk import Scenario, faults, length, require_nothing_left, strike, walked
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.operations import WALKED

WALKS = [
    pytest.param(scenario, id=f"{scenario.name}, {kind}, lag {lag:.0f} s")
    for lag in (0.0, 3.0)
    for kind, target in WALKED.items()
    for scenario in forced(target, lag)
]

type Report = Callable[[str, object], None]


@pytest.mark.parametrize("scenario", WALKS)
def test_a_forced_end_whose_worker_dies_leaves_nothing(scenario: Scenario, record_property: Report) -> None:
    """Azure can still undo it, and the sweep does."""
    count = walked(scenario, Died)
    record_property("cases", count)
    assert count == 2 * length(scenario) > 0


@pytest.mark.parametrize("error", [Locked("no", status=409, azure_code="ScopeLocked"), Unreachable()])
@pytest.mark.parametrize("scenario", WALKS)
def test_whatever_a_forced_end_leaves_behind_is_in_the_audit_trail(
    scenario: Scenario, error: Upstream, record_property: Report
) -> None:
    """Azure refuses any one call, or its answer is lost: the operator can find each object by the names in the event."""
    count = result = 0
    for fault in faults(scenario):
        world = scenario.make()
        strike(world, scenario.action, fault, error)
        count, result = count + 1, result + len(world.leftovers())
        named = force_ended(world)
        if named:
            assert all(thing.owner in named for thing in world.leftovers())
        else:
            require_nothing_left(world)
    record_property("cases", count)
    assert result > 0


def force_ended(world: World) -> str:
    """What the audit trail says may be left behind."""
    return " ".join(event.reason for event in world.audit.events if event.operation == "force_revoke")
