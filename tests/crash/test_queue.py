"""A lease's way through the queue, struck at each call: between finding it due, its message, its ticket, and its end."""

from __future__ import annotations

import pytest

from shared.core.lease import State
from tests.crash.scenarios import fan_outs
from tests.crash.walk import faults, live, require_owned, strike
from tests.fakes.calls import Died
from tests.fakes.world import World
from tests.support.operations import TARGETS, fanning_out, taking_messages


def drain(world: World) -> None:
    """The next sweep of the timer's, and then every message that was ever sent: those of before come again."""
    world.clock.jump(60)
    world.run(lambda: live(world, fanning_out))
    world.run(lambda: live(world, taking_messages))


@pytest.mark.parametrize("kind", TARGETS)
def test_death_between_message_and_ticket_is_made_good_through_the_queue(kind: str) -> None:
    """The next sweep queues again what has no ticket; messages that come twice find nothing left to do."""
    scenario = fan_outs(TARGETS[kind])[0]
    for fault in faults(scenario):
        world = scenario.make()
        strike(world, scenario.action, fault, Died())
        drain(world)
        require_owned(world)
        assert {State.ENDED} == {lease.state for lease in world.leases.rows.values()}
        assert ([], {}) == (world.leftovers(), world.queued_markers.kept)


def test_a_ticket_is_never_written_before_its_message() -> None:
    """Else a death in between would keep its leases waiting for nothing: no lease ever waits that is in no message."""
    scenario = fan_outs(TARGETS["service principal"])[0]
    for fault in faults(scenario):
        world = scenario.make()
        strike(world, scenario.action, fault, Died())
        assert set(world.queued_markers.kept) <= {batch.id for batch in world.revocations.messages()}
