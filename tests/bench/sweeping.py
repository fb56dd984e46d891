"""The sweep: leases that it ends a second, and what one costs that finds nothing due, however many leases are alive."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace

from shared.broker.ending.sweep import Summary, sweep
from shared.broker.ports import Ports
from shared.cloud.storage.tables import Table
from shared.core.names import LeaseId, RoleName
from shared.wiring.root import Composition
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.crowd import active_lease, put_there
from tests.bench.figures import Figure, Target
from tests.bench.outgoing import Outgoing, watched
from tests.by_hand import make_due

TITLE = "Sweep (no replication delays)"
_ROLE = "sweep"
_FEW = 100
_REPEATS = 5
_FASTEST = 10.0
"""Leases that a sweep should end each second: 600 until the next one begins."""


async def measure(scale: Scale) -> list[Figure]:
    """Ends leases through the API; counts what goes over the wire of a sweep in this process."""
    async with bench_stack(spare_accounts=1) as on:
        figures = await _ended(on, scale.due)
        composition = _parts(on)
        async with composition.storage.tables:
            few = await _idle(composition, _FEW)
            many = await _idle(composition, scale.alive)
    figures += few.figures(_FEW)
    return figures + many.figures(scale.alive, like=few)


async def _ended(on: BenchStack, count: int) -> list[Figure]:
    await on.make_role(_ROLE, 1, 0)
    wanted = await on.issue_many(_ROLE, count)
    due = await make_due(on.stack, _ROLE)
    began = time.perf_counter()
    swept = await on.admin.must("POST", "sweep")
    seconds = time.perf_counter() - began
    if (due, swept["ended"], swept["remaining"]) != (wanted, wanted, 0):
        raise NotMeasuredError(f"of {wanted} leases: {due}, {swept}")
    return [Figure(f"leases ended, of {wanted} that are due", wanted / seconds, "leases/s", Target(">=", _FASTEST))]


def _parts(on: BenchStack) -> Composition:
    """The broker in this process, over a storage account of its own."""
    storage = on.stack.storage
    return Composition(on.stack.environment() | {"AzureWebJobsStorage": storage.connect("spare0")})


@dataclass(frozen=True, slots=True)
class _Idle:
    """A sweep with nothing due."""

    requests: int
    rows: int
    milliseconds: float

    def figures(self, alive: int, like: _Idle | None = None) -> list[Figure]:
        """``like``: the sweep that this one must cost the same as."""
        label = f"nothing due, {alive:,} leases alive"
        return [
            Figure(f"{label}: rows read", self.rows, "rows", Target("=", like.rows) if like else None),
            Figure(f"{label}: requests", self.requests, "requests", Target("=", like.requests) if like else None),
            Figure(f"{label}: takes", self.milliseconds, "ms"),
        ]


async def _idle(composition: Composition, alive: int) -> _Idle:
    """Fills the account up to that many leases, and sweeps: to warm up, to take the time, and to count."""
    await _fill(composition, alive)
    with watched() as seen:
        await _sweep_nothing(composition.ports, seen)
        seconds = statistics.median([await _sweep_nothing(composition.ports, seen) for _ in range(_REPEATS)])
        seen.counts_rows = True
        await _sweep_nothing(composition.ports, seen)
    return _Idle(len(seen.intervals), seen.rows, seconds * 1000)


async def _sweep_nothing(ports: Ports, seen: Outgoing) -> float:
    seen.forget()
    began = time.perf_counter()
    summary = await sweep(ports, "benchmark")
    if summary != Summary():
        raise NotMeasuredError(f"a sweep that should have found nothing due: {summary}")
    return time.perf_counter() - began


async def _fill(composition: Composition, alive: int) -> None:
    role, ports = RoleName(_ROLE), composition.ports
    there = sum((await ports.leases.count()).values())
    now = ports.now()
    template = active_lease(LeaseId.of(role, ports.ids.ulid(now)), ports)
    leases = [replace(template, id=LeaseId.of(role, ports.ids.ulid(now))) for _ in range(alive - there)]
    await put_there(Table(composition.storage.tables, "leases"), leases)
    if (found := sum((await ports.leases.count()).values())) != alive:
        raise NotMeasuredError(f"{found} leases are alive, of {alive}")
