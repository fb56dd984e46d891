"""Two workers at once, of which one takes the message of an event: whatever comes in at whichever of its calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from shared.broker.configure.event_rules import delete_event_rule
from shared.broker.reconcile.reconcile import reconcile
from shared.core.access.policy import PolicyName
from shared.core.errors import NotFound
from shared.core.lease import State
from tests.broker.events.scenes import APP, OTHER_APP, SITE, active
from tests.crash.events import Rest, comes_again, over
from tests.crash.test_races import done_while_interrupted, interrupted
from tests.crash.walk import Scenario, length, live, require_owned
from tests.fakes.calls import Died
from tests.fakes.world import ADMINISTRATOR, World, request
from tests.support.events import Action, deleted, hearing_again, hearing_of_a_deletion, hearing_of_a_write, sites

type Report = Callable[[str, object], None]

ISSUE = Scenario("event issues", sites, hearing_of_a_write)
REVOKE = Scenario("event revokes by rule", deleted, hearing_of_a_deletion)


async def made_again(world: World) -> None:
    """The site has another identity, and a worker hears of it."""
    world.resources.put(SITE, OTHER_APP)
    await hearing_of_a_write(world)


async def site_deleted(world: World) -> None:
    """It is gone, and a worker hears of it."""
    world.resources.delete(SITE)
    await hearing_of_a_deletion(world)


async def rules_deleted(world: World) -> None:
    """An administrator deletes both rules, and ends what was issued. A repeat ends what was under way."""
    for name in ("gone", "sites"):
        with suppress(NotFound):
            await delete_event_rule(world.ports, request(ADMINISTRATOR), PolicyName(name), revoking=True)


def deleted_again(world: World) -> None:
    """The administrator repeats it: nothing is left. Of an event that was put back, no rule speaks any more."""
    require_owned(world)
    world.run(lambda: live(world, hearing_again))
    world.run(lambda: rules_deleted(world))
    assert [] == active(world)
    over(world)


MEETINGS: dict[str, tuple[Scenario, Action, Rest]] = {
    "the same message": (ISSUE, hearing_of_a_write, comes_again(hearing_of_a_write, APP)),
    "a site made again": (ISSUE, made_again, comes_again(hearing_of_a_write, OTHER_APP)),
    "a deletion": (ISSUE, site_deleted, comes_again(lambda world: reconcile(world.ports, "r"))),
    "rules deleted": (ISSUE, rules_deleted, deleted_again),
    "the same deletion": (REVOKE, hearing_of_a_deletion, comes_again(hearing_of_a_deletion)),
    "a deleted site made again": (REVOKE, made_again, comes_again(hearing_of_a_write, OTHER_APP)),
}


@pytest.mark.parametrize(("scenario", "other", "rest"), MEETINGS.values(), ids=MEETINGS)
def test_whatever_comes_in_at_any_call_the_end_is_the_same(
    scenario: Scenario, other: Action, rest: Rest, record_property: Report
) -> None:
    """The site's identity of today holds one lease, or nobody does."""
    count = length(scenario)
    for ordinal in range(1, count + 1):
        rest(done_while_interrupted(scenario, ordinal, other))
    record_property("cases", count)
    assert count > 5


def test_of_two_workers_with_one_message_one_makes_a_lease() -> None:
    """At once, before the message comes again: never two."""
    for ordinal in range(1, length(ISSUE) + 1):
        world = done_while_interrupted(ISSUE, ordinal, hearing_of_a_write)
        made = [each for each in world.leases.rows.values() if each.state is State.ACTIVE]
        assert 1 == len(made) == len(world.rule_leases.rows), ordinal


@pytest.mark.parametrize("name", ["the same message", "a site made again", "a deletion"])
def test_a_worker_that_dies_after_another_came_in_leaves_nothing(name: str, record_property: Report) -> None:
    """At any of its later calls: the end is the same."""
    (scenario, other, rest), count = MEETINGS[name], 0
    for ordinal in range(1, length(scenario) + 1, 2):
        death, died = ordinal, True
        while died:
            death += 2
            world = interrupted(scenario, ordinal, other)
            world.calls.fail_at(len(world.calls.made) + death, Died(), after=death % 4 < 2)
            with suppress(Died):
                world.run(lambda world=world: live(world, scenario.action))  # type: ignore[misc]
            died = world.calls.dead
            world.calls.revive()
            rest(world)
            count += died
    record_property("cases", count)
    assert count > 10
