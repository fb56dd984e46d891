"""What the tests of leases for which nobody waits begin with."""

from __future__ import annotations

from typing import Any

from shared.broker.issue.collect import collect
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.ports import Actor
from shared.core.lease import Lease
from shared.core.names import LeaseId
from tests.broker.scenes import stored
from tests.fakes.world import WEB, World, request

AT_ONCE = Preference(wait=0)
LENIENT = Preference(is_lenient=True)


async def asked(world: World, preference: Preference = AT_ONCE, by: Actor | None = None, **ask: Any) -> Issued | Accepted:
    """Alice asks for a lease, and says how long she waits."""
    return await issue(world.ports, by or request(), IssueRequest(**({"role": WEB} | ask)), preference=preference)


async def taken(world: World, lease_id: LeaseId | None = None) -> Lease | None:
    """A worker takes the lease's message."""
    return await prepare(world.ports, "message", lease_id or stored(world).id)


async def prepared(world: World) -> Lease:
    """A lease that waits for Alice to collect it."""
    await asked(world)
    await taken(world)
    return stored(world)


async def collected(
    world: World, preference: Preference | None = None, by: Actor | None = None, lease_id: LeaseId | None = None
) -> Issued | Accepted:
    """Alice collects."""
    return await collect(world.ports, by or request(), lease_id or stored(world).id, preference or Preference())


async def handed_out(world: World, preference: Preference | None = None) -> Issued:
    """Alice collects, and gets the credential."""
    found = await collected(world, preference)
    assert isinstance(found, Issued)
    return found
