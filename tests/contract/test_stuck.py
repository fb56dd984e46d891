"""The index of stuck leases: as they are now, without a look at any other; after a death as well, it misses none."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.stuck_index import StuckIndex
from shared.cloud.storage.tables import Table
from shared.core.errors import LostRace, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.core.ports.leases import Leases
from tests.contract.stores import Stores, lease
from tests.contract.wires import OverAWire, keys
from tests.fakes.clock import START, FixedIds
from tests.support.kinds import SCHEMAS


def stuck_at_once(one: Lease) -> Lease:
    """As STUCK."""
    return one.stuck_at_once(START, "azure_refused", 0.5)


def over(one: Lease) -> Lease:
    """As ENDED."""
    return one.ended(START, timedelta(days=7))


async def ending(leases: Leases, number: int) -> Lease:
    """A lease that is ending."""
    opened = await leases.open(lease(number))
    return await leases.swap(opened.ending(Cause.REVOKED, START, START), former=opened)


async def stuck(leases: Leases, number: int) -> Lease:
    """A lease that could not be ended."""
    one = await ending(leases, number)
    return await leases.swap(stuck_at_once(one), former=one)


async def told(leases: Leases, at_most: int = 100) -> list[LeaseId]:
    """The ids of the stuck ones."""
    return [each.id for each in await leases.stuck(at_most)]


async def test_stuck_leases_are_told_from_then_until_they_end(stores: Stores) -> None:
    """Newest first, up to a number; also one that is being tried again, and never another."""
    assert [] == await told(stores.leases)
    await ending(stores.leases, 9)
    made = [await stuck(stores.leases, number) for number in range(5)]
    assert [each.id for each in reversed(made)] == await told(stores.leases)
    assert [each.id for each in made[:2:-1]] == await told(stores.leases, 2)
    held = await stores.leases.swap(made[0].ending(Cause.REVOKED, START, START + timedelta(seconds=20)), former=made[0])
    assert 5 == len(await told(stores.leases))
    await stores.leases.swap(over(held), former=held)
    await stores.leases.swap(over(made[3]), former=made[3])
    assert [made[each].id for each in (4, 2, 1)] == await told(stores.leases)
    assert ["azure_refused"] * 3 == [each.last_error for each in await stores.leases.stuck(100)]


async def test_where_none_is_stuck_one_request_says_so(over_a_wire: OverAWire) -> None:
    """However many leases there are."""
    leases, wire, _ = over_a_wire
    for number in range(20):
        await ending(leases, number)
    await told(leases)
    wire.forget()
    assert [] == await told(leases)
    assert (1, 0) == (wire.requests, wire.rows)


async def test_what_is_told_is_read_and_no_more(over_a_wire: OverAWire) -> None:
    """A page of hints, and the leases that it tells of."""
    leases, wire, _ = over_a_wire
    made = [await stuck(leases, number) for number in range(5)]
    await told(leases)
    wire.forget()
    assert [made[4].id, made[3].id] == await told(leases, 2)
    assert 3 == wire.requests


async def test_hints_of_leases_that_are_stuck_no_more_hide_none_behind_them(over_a_wire: OverAWire) -> None:
    """Whether they have ended or are gone; the next reconciliation forgets those hints, and no others."""
    leases, _, around = over_a_wire
    made = [await stuck(leases, number) for number in range(6)]
    for one in made[4:]:
        await leases.remove(one)
    for one in made[2:4]:
        await leases.swap(over(one), former=one)
        await StuckIndex(Table(around, "leases")).note(one.id)
    left = [made[1].id, made[0].id]
    assert left == await told(leases, 2)
    await leases.align(100)
    assert 2 == sum(key.startswith("stuck_") for key in await keys(around))
    assert left == await told(leases, 2)


async def test_a_lease_that_ends_takes_its_hint_with_it(over_a_wire: OverAWire) -> None:
    """One that was never stuck has none, and its end costs one transaction."""
    leases, wire, around = over_a_wire
    one, other = await stuck(leases, 1), await ending(leases, 2)
    await leases.swap(over(one), former=one)
    assert not [key for key in await keys(around) if key.startswith("stuck_")]
    wire.forget()
    await leases.swap(over(other), former=other)
    assert 1 == wire.requests


@pytest.mark.parametrize("sends", [False, True], ids=["before", "after"])
async def test_wherever_the_process_dies_what_is_stuck_is_told_and_nothing_else(over_a_wire: OverAWire, *, sends: bool) -> None:
    """At each request of becoming stuck and of ending then; the next reconciliation leaves no hint that is not needed."""
    leases, wire, around = over_a_wire
    apart = TableLeases(around, FixedIds(), SCHEMAS)
    for number in range(1, 5):
        one, other = await ending(apart, number), await stuck(apart, 10 + number)
        for move, lost in ((stuck_at_once(one), one), (over(other), other)):
            wire.left, wire.sends = number, sends
            with suppress(Upstream, LostRace):
                await leases.swap(move, former=lost)
            wire.left = None
            standing = [await apart.get(each.id) for each in (one, other)]
            assert {each.id for each in standing if each and each.state is State.STUCK} == {*await told(apart)}
        for each in (one, other):
            current = await apart.get(each.id)
            if current is not None and current.state is not State.ENDED:
                await apart.swap(over(current), former=current)
    await apart.align(100)
    assert not [key for key in await keys(around) if key.startswith("stuck_")]
