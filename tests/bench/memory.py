"""Memory: what a worker holds while it issues and revokes a thousand leases."""

from __future__ import annotations

import asyncio

from tests.bench.bench_stack import BenchStack, Scale, bench_stack
from tests.bench.figures import Figure, Target

TITLE = "Memory of a worker (resident, with the local function host)"
_ROLE = "memory"
_ROUND = 100
_AT_ONCE = 5


async def measure(scale: Scale) -> list[Figure]:
    """Rounds of a hundred leases, some at a time, each issued and revoked."""
    async with bench_stack() as on:
        held = [await on.resident()]
        await on.make_role(_ROLE, 1, 0)
        for _ in range(scale.memory_rounds):
            await _round(on)
            held.append(await on.resident())
    counts = range(0, _ROUND * len(held), _ROUND)
    middle = held[len(held) // 2]
    figures = [
        Figure(f"after {count:,} issues and revocations", megabytes, "MB", Target("<", 150) if count else None)
        for count, megabytes in zip(counts, held, strict=True)
    ]
    growth = (held[-1] - middle) / middle * 100
    return [*figures, Figure("growth over the second half", growth, "%", Target("<", 5))]


async def _round(on: BenchStack) -> None:
    async def lease_after_lease() -> None:
        for _ in range(_ROUND // _AT_ONCE):
            await on.revoke(await on.issue(_ROLE))

    await asyncio.gather(*(lease_after_lease() for _ in range(_AT_ONCE)))
