"""Memory: what a worker holds while it issues and revokes a thousand leases."""

from __future__ import annotations

import asyncio
import subprocess

from tests.bench.figures import Figure, Target
from tests.bench.stage import NotMeasuredError, Scale, Stage, stage

TITLE = "Memory of a worker (resident, with the local function host)"
_ROLE = "memory"
_ROUND = 100
_AT_ONCE = 5
_KIB_PER_MB = 1_000_000 / 1024


async def measure(scale: Scale) -> list[Figure]:
    """Rounds of a hundred leases, some at a time, each issued and revoked."""
    async with stage() as on:
        held = [await _resident(on)]
        await on.make_role(_ROLE, 1, 0)
        for _ in range(scale.memory_rounds):
            await _round(on)
            held.append(await _resident(on))
    counts = range(0, _ROUND * len(held), _ROUND)
    middle = held[len(held) // 2]
    figures = [
        Figure(f"after {count:,} issues and revocations", megabytes, "MB", Target("<", 150) if count else None)
        for count, megabytes in zip(counts, held, strict=True)
    ]
    growth = (held[-1] - middle) / middle * 100
    return [*figures, Figure("growth over the second half", growth, "%", Target("<", 5))]


async def _round(on: Stage) -> None:
    async def lease_after_lease() -> None:
        for _ in range(_ROUND // _AT_ONCE):
            await on.revoke(await on.issue(_ROLE))

    await asyncio.gather(*(lease_after_lease() for _ in range(_AT_ONCE)))


async def _resident(on: Stage) -> float:
    """Megabytes of the function host's process."""
    command = ["ps", "-o", "rss=", "-p", str(on.stack.hosts[0].pid)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if not done.stdout.strip().isdecimal():
        raise NotMeasuredError(f"ps says {done.stdout!r} {done.stderr!r}")
    return int(done.stdout) / _KIB_PER_MB
