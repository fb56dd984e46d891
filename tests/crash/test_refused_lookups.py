"""A worker dies, and the next one may not look: what cannot be looked for is not absent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.core.errors import Refused, Throttled, Unreachable, Upstream
from shared.core.lease import State
from tests.crash.alternating import alternating
from tests.crash.scenarios import scenarios
from tests.crash.walk import Scenario, deaths, require_owned, settle, strike, sweep_once
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.every_kind import EVERY_KIND, WITH_SECRETS
from tests.support.operations import TARGETS, WALKED

LOOKUPS = ("directory.find_application", "directory.find_principal", "directory.secrets_named", "applications.secrets_named")
"""The calls by which a worker learns what a dead one has made."""
DELETIONS = (
    *("authorization.unassign", "directory.remove_member", "directory.delete_principal"),
    *("directory.purge", "directory.remove_secret", *(each.undoes for each in EVERY_KIND.values())),
)
"""The calls whose answer may be that there is nothing to delete."""
NOES: dict[str, Callable[[], Upstream]] = {
    "403": lambda: Refused("no right", status=403),
    "429": lambda: Throttled("busy", status=429),
    "silence": Unreachable,
}
_MAKING = {"issue", "repeat at once", "revoke at once"}
"""Operations that may die before what they have made is known."""
_PAUSES = (60.0, 300.0, 300.0, 900.0, 3600.0)
"""Seconds between the sweeps of the workers that may not look: long enough for every doubt of a young object."""

WALKS = [
    pytest.param(scenario, id=f"{scenario.name}, {kind}")
    for kind, target in WALKED.items()
    for scenario in scenarios(target)
    if scenario.name in _MAKING
]

type Report = Callable[[str, object], None]


@pytest.mark.parametrize("calls", [LOOKUPS, DELETIONS], ids=["look-ups", "deletions"])
@pytest.mark.parametrize(("scenario", "no"), alternating(WALKS, NOES, always=["403"]))
def test_what_may_not_be_looked_for_after_a_death_is_not_believed_to_be_gone(
    scenario: Scenario, calls: tuple[str, ...], no: Callable[[], Upstream], record_property: Report
) -> None:
    """However long that lasts, no lease ends while something of its own stands; afterwards nothing is left."""
    count = 0
    for fault in deaths(scenario):
        world = scenario.make()
        strike(world, scenario.action, fault, Died())
        _forbid(world, calls, no)
        for pause in _PAUSES:
            world.clock.jump(pause)
            sweep_once(world)
            require_owned(world)
        world.calls.heal()
        settle(world, pause=3600.0)
        assert [] == world.leftovers()
        count += 1
    record_property("cases", count)
    assert count > 0


def _forbid(world: World, calls: tuple[str, ...], error: Callable[[], Upstream]) -> None:
    for name in calls:
        world.calls.fail(name, error(), times=10_000)


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_the_walk_meets_leases_that_cannot_be_looked_for(kind: str) -> None:
    """It would say nothing if no lease waited for an answer: after a death amid an issue, one does, and says that it failed."""
    scenario = next(each for each in scenarios(TARGETS[kind]) if each.name == "issue")
    waiting = 0
    for fault in deaths(scenario):
        world = scenario.make()
        strike(world, scenario.action, fault, Died())
        _forbid(world, LOOKUPS, NOES["403"])
        world.clock.jump(900.0)
        sweep_once(world)
        waiting += sum(lease.state is State.ENDING and lease.last_error is not None for lease in world.leases.rows.values())
    assert waiting > 0
