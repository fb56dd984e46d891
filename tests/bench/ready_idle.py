"""Ready: what full pools cost while nobody asks for anything. See ``ready_broker`` for what is real and what is simulated."""

from __future__ import annotations

import asyncio

from tests.bench.figures import Figure, Target
from tests.bench.ready_broker import IN_AZURE, Scene, scene

SIZE = 40
"""Leases that stand in the pool."""
_MINUTES = 10
_IN_A_BATCH = 10


def figures(calls: list[int]) -> list[Figure]:
    """What ``run`` gave."""
    wanted = Target("<=", SIZE / _IN_A_BATCH)
    return [
        Figure(f"full pools ({SIZE} leases), the first {_MINUTES} minutes: calls to Azure", calls[0], "calls"),
        Figure(f"full pools ({SIZE} leases), {_MINUTES} minutes later on: calls to Azure", calls[-1], "calls", wanted),
    ]


def run(spans: int) -> list[int]:
    """Calls to Azure in so many spans of ten minutes, one after the other, once the pool is full."""

    async def measured() -> list[int]:
        async with scene() as on:
            await on.put(ready="token", pool={"size": SIZE})
            await on.fill_pool(SIZE)
            return [await _idle(on) for _ in range(spans)]

    return asyncio.run(measured())


async def _idle(on: Scene) -> int:
    with on.counting() as made:
        for _ in range(_MINUTES):
            await on.minute()
    return sum(call.service in IN_AZURE for call in made)
