"""What the tests of the verbs begin with."""

from __future__ import annotations

from typing import Any

from shared.broker.ending.sweep import Summary, sweep
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.ports import Actor
from shared.core.lease import Lease
from shared.core.names import LeaseId
from tests.fakes.world import WEB, World, request


async def issued(world: World, by: Actor | None = None, **ask: Any) -> Issued:
    """A lease that Alice holds, unless another is named."""
    wanted: dict[str, Any] = {"role": WEB, "ask": world.ask} | ask
    return await issue(world.ports, by or request(), IssueRequest(**wanted))


async def swept(world: World, after: float = 0.0) -> Summary:
    """A sweep, some seconds later."""
    world.clock.jump(after)
    return await sweep(world.ports, "sweep")


def stored(world: World, lease_id: LeaseId | None = None) -> Lease:
    """The lease as it stands; the only one when none is named."""
    if lease_id is None:
        (lease_id,) = world.leases.rows
    return world.leases.rows[lease_id]


AZURE = {"directory", "authorization", "applications"}
