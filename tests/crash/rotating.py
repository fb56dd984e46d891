"""A successor that an event rule issues, struck at each call; then sweeps and workers come, and there is one in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from shared.broker.events.succeed import succeed
from shared.core.names import ObjectId
from shared.core.pool import Pool
from shared.core.role import Role
from tests.broker.events.rotating import delivering_role, minutes, newest, newest_lease, rotating
from tests.broker.events.scenes import APP, OTHER_APP, SITE, active, deliver
from tests.crash.events import over
from tests.crash.walk import Scenario, require_owned
from tests.fakes.world import World
from tests.support.operations import sweeping
from tests.support.pools import fill_up, pooled_target

type Rest = Callable[[World], None]

_LASTS = 3600
_NEAR_END = 2400.0
_MINUTES = 15
"""Less than the last third of a lease's time, and enough for another worker to give up what a dead one has begun."""
_RULE: dict[str, Any] = {"action": {"issue": {"role": "jit", "holder": "subject_identity", "ttl": _LASTS, "rotate": True}}}


def scenarios() -> Iterator[tuple[Scenario, Rest]]:
    """Each with what holds in the end."""
    yield Scenario("ask for a successor", near_its_end, sweeping), both_live
    yield Scenario("succeed", near_its_end, succeeding), both_live
    yield Scenario("succeed out of a pool", pooled, succeeding), both_live
    yield Scenario("succeed for another identity", replaced, succeeding), lives_on(APP)
    yield Scenario("succeed for nobody", gone, succeeding), lives_on(APP)


def near_its_end(of: Role | None = None) -> World:
    """The last third of a lease's time has just begun."""
    made = rotating(of, **_RULE)
    made.run(lambda: _begun(made))
    made.clock.jump(_NEAR_END)
    return made


async def _begun(made: World) -> None:
    await fill_up(made)
    await deliver(made)


def pooled() -> World:
    """The same, where the role has a pool."""
    made = near_its_end(delivering_role(pooled_target(1, pool=Pool(1, max_age=900), groups=0)))
    made.run(lambda: fill_up(made))
    return made


def replaced() -> World:
    """The same, and the site has another identity, of which no event has come."""
    made = near_its_end()
    made.resources.put(SITE, OTHER_APP)
    return made


def gone() -> World:
    """The same, and there is no site."""
    made = near_its_end()
    made.resources.delete(SITE)
    return made


async def succeeding(world: World) -> None:
    """A worker takes the message that asks for the lease's successor."""
    for lease in active(world)[:1]:
        await succeed(world.ports, "worker", lease.id)


def both_live(world: World) -> None:
    """There is one successor, and the newest version under the name is its own."""
    lives_on(APP, APP)(world)


def lives_on(*holders: ObjectId) -> Rest:
    """These hold leases, and what lies under the name of the last one works."""

    def rest(world: World) -> None:
        require_owned(world)
        for _ in range(_MINUTES):
            world.clock.jump(60)
            world.run(lambda: minutes(world))
            require_owned(world)
        assert [*holders] == [each.known_holder.object_id for each in active(world)]
        assert newest(world, holders[-1])
        assert newest_lease(world, holders[-1]) in active(world)
        world.clock.jump(_LASTS)
        over(world)

    return rest
