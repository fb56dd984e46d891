"""A worker that dies right after one call has taken effect, and a lease that is looked after until it has ended."""

from __future__ import annotations

from shared.core.lease import State
from shared.core.role import Target
from tests.broker.scenes import swept
from tests.crash.walk import FaultAt, require_owned, strike
from tests.fakes.calls import Died
from tests.fakes.world import World, role, world
from tests.support.operations import issuing


def died_after(target: Target, call: str) -> World:
    """A world in which the worker that was issuing died when that call had taken effect, and before it heard of it."""
    undisturbed = world(role(target))
    undisturbed.run(lambda: issuing(undisturbed))
    ordinal = undisturbed.calls.names().index(call) + 1
    made = world(role(target))
    strike(made, issuing, FaultAt(ordinal, after=True), Died())
    require_owned(made)
    return made


async def looked_after(made: World) -> int:
    """A sweep each minute until every lease has ended, at most twenty; gives how many it took."""
    for count in range(1, 21):
        await swept(made, after=60)
        if all(lease.state is State.ENDED for lease in made.leases.rows.values()):
            return count
    raise AssertionError(f"never ends: {list(made.leases.rows.values())}")
