"""Ready: twenty claims at once from a pool, and what of their time is Leasehold's own. Real processes, real time.

The local Azure answers at once here. A claim's own time is that during which no request to Azure or to storage is under way
for it: it holds the processor time of the other claims, for which it waits.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.bench.bench_stack import BenchStack, NotMeasuredError, bench_stack
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by

_AT_ONCE = 20
_SIZE = 2 * _AT_ONCE
_ROLES = ("claimed-1", "claimed-2", "claimed-3")
_OFTEN = "*/2 * * * * *"
_FULL_WITHIN = 120.0
_SLOWEST = 60.0
_OWN = 100.0
"""Milliseconds."""


async def measure() -> list[Figure]:
    """The first claims, for which connections are opened, are left out."""
    async with bench_stack(fill_schedule=_OFTEN) as on:
        for role in _ROLES:
            await on.make_pooled_role(role, _SIZE)
        pooled = await _full(on)
        await on.stack.hosts[0].stop()
        heard: dict[str, Any] = await told_by(on, "claiming", str(_AT_ONCE), *_ROLES, seconds=_SLOWEST)
    own, whole = heard["own"][_AT_ONCE:], heard["whole"][_AT_ONCE:]
    made = [lease for lease in heard["leases"] if lease not in pooled]
    return [
        Figure(f"{_AT_ONCE} claims at once ({len(own)} in all): own time, p50", percentile(own, 0.5), "ms"),
        Figure(f"{_AT_ONCE} claims at once: own time, p95", percentile(own, 0.95), "ms", Target("<=", _OWN)),
        Figure(
            f"{_AT_ONCE} claims at once: CPU of one, p50 of {len(heard['cpu']) - 1} crowds",
            percentile(heard["cpu"][1:], 0.5),
            "ms",
        ),
        Figure(f"{_AT_ONCE} claims at once: with storage and the local Azure, p95", percentile(whole, 0.95), "ms"),
        Figure(f"{_AT_ONCE} claims at once: of {len(heard['leases'])}, made anew", len(made), "leases"),
    ]


async def _full(on: BenchStack) -> set[str]:
    """Waits for the timer to have filled the pools; the leases that stand in them."""
    began, pools = time.monotonic(), dict[str, Any]()
    while time.monotonic() - began < _FULL_WITHIN:
        pools = (await on.admin.must("GET", "status"))["pool"]
        if all(pools.get(role, {"ready": 0})["ready"] >= _SIZE for role in _ROLES):
            listed = [await on.admin.must("GET", f"leases?state=pooled&role={role}&limit=100") for role in _ROLES]
            return {lease["id"] for page in listed for lease in page["leases"]}
        await asyncio.sleep(1)
    raise NotMeasuredError(f"the pools are not full: {pools}")
