"""What ``$batch`` saves a sweep, and what issues notice of a sweep beside them in the same worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by
from tests.by_hand import make_due

TITLE = "Batches and priority (R=1, G=0; no replication delays)"
_ROLE, _OTHER = "batch", "beside"
_SLOWEST = 300.0
_ISSUERS = 2
_ROUNDS = 3
_AT_REST = 5.0
"""Seconds."""


async def measure(scale: Scale) -> list[Figure]:
    """The same sweep twice in a process of its own, with and without batches; then one in the host, with issues beside it."""
    async with bench_stack() as on:
        for role in (_ROLE, _OTHER):
            await on.make_role(role, 1, 0)
        figures = []
        for how in ("alone", "batched"):
            wanted = await _due(on, scale.due)
            result = await told_by(on, "one_sweep", how, seconds=_SLOWEST)
            if result["summary"]["ended"] != wanted:
                raise NotMeasuredError(f"of {wanted} leases: {result}")
            figures += _figures(how, result, wanted)
        return figures + await _beside(on, scale.due)


async def _due(on: BenchStack, count: int) -> int:
    """Issues that many leases and makes them due."""
    await on.issue_many(_ROLE, count)
    return await make_due(on.stack, _ROLE)


def _figures(how: str, result: dict[str, Any], leases: int) -> list[Figure]:
    sent = result["requests"]
    label = {"alone": "without batches", "batched": "with batches"}[how]
    return [
        Figure(f"{label}: requests to Graph, a lease ended", sent["graph"] / leases, "requests/lease"),
        Figure(f"{label}: requests to Resource Manager, a lease ended", sent["arm"] / leases, "requests/lease"),
        Figure(f"{label}: leases ended, of {leases} that are due", leases / result["seconds"], "leases/s"),
    ]


async def _beside(on: BenchStack, count: int) -> list[Figure]:
    """Issues in a host at rest, and in the same host while it sweeps."""
    rest, busy = list[float](), list[float]()
    for _ in range(_ROUNDS):
        await _fresh(on)
        rest += await _issued(on, asyncio.create_task(asyncio.sleep(_AT_REST)))
        await _fresh(on)
        await _due(on, count)
        await _fresh(on)
        busy += await _issued(on, asyncio.create_task(on.admin.must("POST", "sweep")))
    worst = 3 * percentile(rest, 0.99)
    return [
        Figure("issue in a host at rest, p50", percentile(rest, 0.5), "ms"),
        Figure("issue in a host at rest, p99", percentile(rest, 0.99), "ms"),
        Figure("issue in a host that sweeps, p50", percentile(busy, 0.5), "ms"),
        Figure("issue in a host that sweeps, p99", percentile(busy, 0.99), "ms", Target("<=", worst)),
        Figure("issues in a host that sweeps", len(busy), "issues"),
    ]


async def _fresh(on: BenchStack) -> None:
    """A worker with the whole of Azure's limits before it: 200 writes and 200 deletions at once in a subscription, then ten a
    second (https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling). What is
    measured is what the sweep takes of the processor, and not what those limits leave.
    """
    await on.stack.hosts[0].stop()
    await on.stack.hosts[0].start()
    await on.issue(_OTHER)


async def _issued(on: BenchStack, during: asyncio.Task[Any]) -> Sequence[float]:
    """Milliseconds of each issue that was begun while the task ran."""
    taken: list[float] = []

    async def issuing() -> None:
        while not during.done():
            began = time.perf_counter()
            await on.issue(_OTHER)
            taken.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(issuing() for _ in range(_ISSUERS)), during)
    return taken
