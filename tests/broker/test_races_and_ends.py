"""Races that are lost every time, ends that fail half-way, and what is pruned between two reads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.force import revoke_as_operator
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.revoke import revoke
from shared.cloud.connections import READ_SECONDS
from shared.core.errors import Conflict, LostRace, Refused
from shared.core.lease import Lease, State
from shared.core.names import LeaseId
from shared.core.outgoing.event import OutgoingEvent
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, WEB, World, request, role, world


async def test_a_forced_end_that_loses_every_race_says_so_and_changes_nothing() -> None:
    """After a few tries, not for ever."""
    made = world(role())
    held = (await issued(made)).lease
    tries: list[Lease] = []

    async def losing(lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        tries.append(lease)
        raise LostRace(f"moved from {former.version}, {len(events)} events")

    made.leases.swap = losing  # type: ignore[method-assign]
    with pytest.raises(Conflict) as busy:
        await revoke_as_operator(made.ports, request(ADMINISTRATOR), held.id, force=True)
    assert ("lease_busy", 5, State.ACTIVE) == (busy.value.stable_code, len(tries), stored(made).state)


async def test_a_forced_end_that_loses_all_races_but_the_last_ends_the_lease() -> None:
    """The fifth try counts as the first does."""
    made = world(role())
    held = (await issued(made)).lease
    swap, lost = made.leases.swap, [LostRace("moved")] * 4

    async def losing(lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        if lost:
            raise lost.pop()
        return await swap(lease, former=former, events=events)

    made.leases.swap = losing  # type: ignore[method-assign]
    assert State.ENDED is (await revoke_as_operator(made.ports, request(ADMINISTRATOR), held.id, force=True)).state


async def test_a_failed_issue_that_loses_every_race_for_its_lease_deletes_nothing() -> None:
    """Who has it will: two at once would tell of the end twice."""
    made = world(role())
    made.calls.fail("authorization.assign", Refused(), times=9)
    made.calls.fail("leases.swap", LostRace(), times=9)
    with pytest.raises(Refused):
        await issued(made)
    assert (3, []) == (len(made.calls.named("leases.swap")), made.calls.named("directory.delete_application"))


@pytest.mark.parametrize("call", ["directory.delete_application", "authorization.unassign", "audit.record"])
async def test_a_defect_while_one_lease_ends_keeps_no_other_from_ending(call: str) -> None:
    """Nobody has foreseen the exception; the sweep goes on, and the next one ends that lease as well."""
    made = world(role(ttl=60))
    for _ in range(3):
        await issued(made)
    made.clock.jump(61)
    made.calls.fail(call, RuntimeError("a defect"))  # type: ignore[arg-type]
    assert (2, 1) == ((first := await swept(made)).ended, first.remaining)
    for _ in range(8):
        await swept(made, after=600)
    assert ([], {State.ENDED}) == (made.leftovers(), {lease.state for lease in made.leases.rows.values()})


def _prune(made: World, *, key: bool) -> Callable[[LeaseId], Coroutine[Any, Any, Lease | None]]:
    """Reads as the store does, after a sweep of another worker's has forgotten the lease, once."""
    get, left = made.leases.get, [True]

    async def reading(lease_id: LeaseId) -> Lease | None:
        if left:
            left.clear()
            made.leases.rows.clear()
            if key:
                made.leases.keys.clear()
        return await get(lease_id)

    return reading


@pytest.mark.parametrize("key", [True, False])
async def test_a_lease_pruned_between_a_repeats_two_reads_leaves_its_key_free(*, key: bool) -> None:
    """Its key was read, and then the lease is not there: issued anew, whether the key went with it or not."""
    made = world(role())
    first = await issue_once(made.ports, request(), IssueRequest(WEB), "k")
    await revoke_as_operator(made.ports, request(ADMINISTRATOR), first.lease.id, force=False)
    made.leases.get = _prune(made, key=key)  # type: ignore[method-assign, assignment]
    second = await issue_once(made.ports, request(), IssueRequest(WEB), "k")
    assert first.lease.id != second.lease.id
    assert [second.lease.id] == [lease.id for lease in made.leases.rows.values()]
    assert [second.lease.id] == [stored.lease_id for stored in made.leases.keys.values()]


@pytest.mark.parametrize(("late", "state"), [(-0.5, State.ENDING), (0.0, State.ENDED)])
async def test_a_lease_that_somebody_may_still_be_making_has_not_ended(late: float, state: State) -> None:
    """Until the last instant at which that worker's calls may take effect, though all that is known was there and is gone."""
    made = world(role(ttl=3600, max_ttl=3600))
    lease = (await issued(made)).lease
    made_by = made.clock.now() + timedelta(seconds=100)
    made.leases.rows[lease.id] = replace(stored(made), made_by=made_by)
    made.clock.jump(100 + late)
    assert state is (await revoke(made.ports, request(), lease.id)).state
    assert [] == made.leftovers()


async def test_a_call_that_began_in_time_is_still_believed_under_way_for_as_long_as_it_may_take() -> None:
    """The last call of an issue may begin when its time is nearly over, and its client waits for the answer."""
    made = world(role())
    planned: list[Lease] = []
    made.calls.watch = lambda _: planned.extend(lease for lease in made.leases.rows.values() if lease.state is State.PLANNED)
    await issued(made)
    longest = timedelta(seconds=made.ports.timing.mint + READ_SECONDS)
    assert {longest} == {lease.made_by - lease.planned_at for lease in planned}
