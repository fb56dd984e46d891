"""What a broker that publishes events leaves in a store: events that wait, a lease that is to be told of, and notes of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from shared.broker.telling.telling import telling
from shared.core.names import RoleName
from tests.fakes.world import World


@asynccontextmanager
async def told(world: World) -> AsyncIterator[None]:
    """Within, the broker tells of what it does. It could not publish it, and has told that a pool is low."""
    ports = world.ports
    world.ports = replace(ports, leases=telling(ports.leases, ports.kinds, ports.clock, ports.ids), publisher=world.topic)
    yield
    await ports.run_history.published(ports.now(), last_error="azure_refused", dropped=2)
    await ports.pools.change_filling(RoleName("ready"), lambda it: it.told_low())
    world.ports = ports
