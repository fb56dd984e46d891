"""An event that comes again: as a duplicate, or because one of its rules was not yet to act."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.events.replay import replay
from shared.broker.revoke import revoke, revoke_role
from shared.core.events.event import GIVEN_UP
from shared.core.lease import Cause
from tests.broker.events.scenes import JIT, active, deliver, deliver_all, document, knows, scene
from tests.fakes.world import ADMINISTRATOR, World, guid, request

pytestmark = pytest.mark.asyncio
A_WAIT = timedelta(minutes=15).total_seconds()
UNKNOWN = str(guid(0x777))


def two_rules() -> World:
    """The directory does not know yet to whom the second rule issues: its event is put back."""
    return scene(sites=document(), waits=document(action={"issue": {"role": "jit", "holder": UNKNOWN}}))


async def revoked(made: World) -> None:
    """An administrator revokes what there is."""
    for lease in active(made):
        await revoke(made.ports, request(ADMINISTRATOR), lease.id)


async def test_what_one_rule_waits_for_makes_no_other_act_again() -> None:
    """However often the event comes again. Whoever has revoked the lease of the other rule has revoked it."""
    made = two_rules()
    await deliver(made)
    await revoked(made)
    for _ in range(3):
        await deliver_all(made, pause=A_WAIT)
    assert [] == active(made)
    assert 1 == len(made.leases.rows)


async def test_what_was_waited_for_is_done_when_its_time_has_come() -> None:
    """By the rule that waited."""
    made = two_rules()
    await deliver(made)
    knows(made, guid(0x777))
    await deliver_all(made, pause=A_WAIT)
    assert {"sites", "waits"} == {lease.metadata["rule"] for lease in active(made)}


async def test_an_event_that_is_given_up_and_replayed_is_for_the_rules_that_have_waited() -> None:
    """An administrator replays it a day later."""
    made = two_rules()
    await deliver(made)
    await revoked(made)
    await deliver_all(made, pause=GIVEN_UP.total_seconds())
    await replay(made.ports, request(ADMINISTRATOR))
    await deliver_all(made)
    assert 1 == len(made.leases.rows)


async def test_a_duplicate_brings_no_lease_back_that_was_revoked() -> None:
    """Event Grid delivers at least once. The next write is another event."""
    made = scene()
    await deliver(made)
    await revoked(made)
    await deliver(made)
    assert [] == active(made)
    await deliver(made, id="event-2")
    assert ["event-2"] == [lease.metadata["event"] for lease in active(made)]


async def test_a_duplicate_brings_no_lease_back_that_was_revoked_with_its_role() -> None:
    """The lease itself does not say so yet."""
    made = scene()
    await deliver(made)
    await revoke_role(made.ports, request(ADMINISTRATOR), JIT)
    await deliver(made)
    assert 1 == len(made.leases.rows)
    assert [] == made.events.take(), "nobody waits for another lease"


@pytest.mark.parametrize(
    ("cause", "count"), [(Cause.EXPIRED, 1), (Cause.UNFINISHED, 2), (Cause.FAILED, 2), (Cause.VANISHED, 2)]
)
async def test_a_lease_that_came_to_nothing_is_made_when_its_event_comes_again(cause: Cause, count: int) -> None:
    """Its worker has died, or Azure has refused. A lease that has had its time is not."""
    made = scene()
    await deliver(made)
    (lease,) = active(made)
    await revoked(made)
    made.leases.rows[lease.id] = replace(made.leases.rows[lease.id], cause=cause)
    await deliver(made)
    assert count == len(made.leases.rows)
