from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from shared.core.lease import Cause, Lease, State
from shared.core.names import RoleName
from shared.core.ports.leases import HeldLease
from tests.contract.stores import Stores, lease
from tests.fakes.clock import START
from tests.fakes.world import ALICE, BOB, OTHER_TENANT, TENANT, WEB


async def test_held_by_a_caller_is_what_takes_room(stores: Stores) -> None:
    """Of all roles, and of the holder's tenant alone: the same object id in another tenant is somebody else."""
    moves: dict[State, Callable[[Lease], Lease]] = {
        State.PLANNED: lambda it: it,
        State.ACTIVE: lambda it: it.activated(START, ready=False),
        State.ENDING: lambda it: it.ending(Cause.REVOKED, START, START),
        State.STUCK: lambda it: it.ending(Cause.REVOKED, START, START).stuck_at_once(START, "e", 0.5),
        State.ENDED: lambda it: it.ending(Cause.REVOKED, START, START).ended(START, timedelta(days=1)),
    }
    expected = set[HeldLease]()
    for number, (state, move) in enumerate(moves.items()):
        for name in (WEB, RoleName("web-2")):
            opened = await stores.leases.open(replace(lease(number, name), generation=number))
            await stores.leases.swap(move(opened), former=opened)
            if state in {State.PLANNED, State.ACTIVE}:
                expected.add(HeldLease(opened.id, state, number))
    foreign = lease(20)
    assert foreign.holder is not None
    await stores.leases.open(replace(foreign, holder=replace(foreign.holder, tenant_id=OTHER_TENANT)))
    await stores.leases.open(lease(21, holder=BOB.object_id))
    found = await stores.leases.held_by(TENANT, ALICE.object_id)
    assert (4, expected) == (len(found), set(found))
    assert [foreign.id] == [each.id for each in await stores.leases.held_by(OTHER_TENANT, ALICE.object_id)]
    assert [] == list(await stores.leases.held_by(OTHER_TENANT, BOB.object_id))
