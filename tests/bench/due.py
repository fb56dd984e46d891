"""Many leases due at once, with Graph limited to its published write rate: how fast they end, and what issues meet meanwhile.

The published limit is 3,000 writes in 150 s (https://learn.microsoft.com/graph/throttling-limits): a bucket of 3,000, filled
with 20 a second. Four writes a lease make 20,000 of 5,000 leases, which it allows in 850 s. Their assignments are more than
the 4,000 that one subscription may have (https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits):
here one has room for all.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import httpx

from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by
from tests.by_hand import make_due

TITLE = "Scale: many leases due at once, Graph limited to 3,000 writes in 150 s (no replication delays)"
_ROLE, _OTHER = "due", "meanwhile"
_BUCKET = 3_000
_RATE = 20.0
_WRITES_TO_END, _WRITES_TO_ISSUE = 4, 3
"""Graph's of one lease without groups: principal, application and both out of the bin; application, principal, secret."""
_CALLS_TO_ISSUE = _WRITES_TO_ISSUE + 1
_ISSUE_EVERY = 2.0
_THROTTLED = 429
_LOOK_EVERY = 5.0
_SAMPLES = 100
_LONGEST = 3_600.0
_SHARE = 80.0
"""Per cent of what the limit allows that should be used."""
_SLOWER = 3.0
"""Times by which issues may become slower meanwhile."""


@dataclass(slots=True)
class _Issues:
    """Issues beside the sweep: milliseconds of those that succeeded, and how many did not."""

    taken: list[float] = field(default_factory=list)
    failed: int = 0

    async def make(self, on: BenchStack) -> None:
        """One more, which nobody gives back: it ends long after the measurement."""
        began = time.perf_counter()
        try:
            await on.issue(_OTHER)
        except httpx.HTTPStatusError:
            self.failed += 1
            return
        self.taken.append(1000 * (time.perf_counter() - began))


async def measure(scale: Scale) -> list[Figure]:
    """Issues, makes all due, limits Graph, and drains."""
    async with bench_stack() as on:
        for name in (_ROLE, _OTHER):
            await on.make_role(name, 1, 0)
        await on.visitor.control("PUT", "limits", {"arm": {"assignments_per_subscription": 2 * scale.due_at_once}})
        await told_by(on, "many", _ROLE, str(scale.due_at_once), seconds=_LONGEST)
        before, meanwhile = _Issues(), _Issues()
        for _ in range(_SAMPLES):
            await before.make(on)
        # Until the worker's own bucket is as full again as the one that is about to count.
        await asyncio.sleep(_SAMPLES * _WRITES_TO_ISSUE / _RATE)
        await _limit(on)
        await make_due(on.stack, _ROLE)
        await on.forget_calls()
        seconds = await _drain(on, meanwhile)
        calls = await on.calls()
    return [
        Figure("calls that Azure refused with 429", sum(call["status"] == _THROTTLED for call in calls), "calls"),
        *_figures(scale.due_at_once, seconds, sum(not call["batched"] for call in calls), before, meanwhile),
    ]


async def _limit(on: BenchStack) -> None:
    """Graph's published rate of writes, from a full bucket on; its resource units as published."""
    limits = {"throttling": True, "writes": _BUCKET, "writes_seconds": _BUCKET / _RATE}
    await on.visitor.control("PUT", "limits", {"graph": limits})


async def _drain(on: BenchStack, meanwhile: _Issues) -> float:
    """Seconds until the last of them has ended: swept as often as a sweep returns, with an issue now and then."""
    began = time.perf_counter()
    issuing = asyncio.create_task(_issue_now_and_then(on, meanwhile))
    try:
        while left := await _left(on):
            if time.perf_counter() - began > _LONGEST:
                raise NotMeasuredError(f"{left} leases have not ended in {_LONGEST:g} s")
            await on.admin.must("POST", "sweep")
            # Counting what is left costs the worker more than an issue does.
            await asyncio.sleep(_LOOK_EVERY)
        return time.perf_counter() - began
    finally:
        issuing.cancel()
        await asyncio.gather(issuing, return_exceptions=True)


async def _issue_now_and_then(on: BenchStack, issues: _Issues) -> None:
    while True:
        await issues.make(on)
        await asyncio.sleep(_ISSUE_EVERY)


async def _left(on: BenchStack) -> int:
    count, cursor = 0, ""
    while True:
        page = await on.admin.must("GET", f"leases?role={_ROLE}&limit=1000{cursor}")
        count += len(page["leases"])
        if page["next"] is None:
            return count
        cursor = f"&cursor={page['next']}"


def _figures(count: int, seconds: float, requests: int, before: _Issues, meanwhile: _Issues) -> list[Figure]:
    writes = count * _WRITES_TO_END + len(meanwhile.taken) * _WRITES_TO_ISSUE
    allowed = max(0.0, writes - _BUCKET) / _RATE
    slowest = percentile(before.taken, 0.99)
    to_end = requests - _CALLS_TO_ISSUE * len(meanwhile.taken)
    figures = [
        Figure(f"{count:,} leases ended in", seconds, "s"),
        Figure("of what the limit allows", 100 * allowed / seconds, "%", Target(">=", _SHARE)),
        Figure("requests to Azure a lease ended (a batch is one)", to_end / count, "requests/lease"),
        Figure("issue p50 before", percentile(before.taken, 0.5), "ms"),
        Figure("issue p99 before", slowest, "ms"),
        Figure("issues that failed meanwhile", meanwhile.failed, "issues"),
    ]
    if meanwhile.taken:
        figures.append(Figure("issue p50 meanwhile", percentile(meanwhile.taken, 0.5), "ms"))
        figures.append(Figure("issue p99 meanwhile", percentile(meanwhile.taken, 0.99), "ms", Target("<=", _SLOWER * slowest)))
    return figures
