"""The sweep: leases that it ends a second, and what one costs that finds nothing due, however many leases are alive."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from shared.broker.outside import Outside
from shared.broker.sweep import Summary, sweep
from shared.cloud.lease_rows import due_row, index_rows, lease_row
from shared.cloud.system import SystemIds
from shared.cloud.tables import Operation, Table
from shared.core.footprint import Assignment, ServicePrincipalFootprint
from shared.core.lease import Holder, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.wiring import Parts
from tests.bench.figures import Figure, Target
from tests.bench.outgoing import Outgoing, watched
from tests.bench.stage import NotMeasuredError, Scale, Stage, stage
from tests.by_hand import make_due

TITLE = "Sweep (no replication delays)"
_ROLE = "sweep"
_FEW = 100
_AT_ONCE = 8
_TOGETHER = 20
"""Leases a transaction when they are put there: five rows each, and Table Storage takes a hundred."""
_REPEATS = 5
_FASTEST = 10.0
"""Leases that a sweep should end each second: 600 until the next one begins."""


async def measure(scale: Scale) -> list[Figure]:
    """Ends leases through the API; counts what goes over the wire of a sweep in this process."""
    async with stage(spare_accounts=1) as on:
        figures = await _ended(on, scale.due)
        parts = _parts(on)
        async with parts.tables:
            few = await _idle(parts, _FEW)
            many = await _idle(parts, scale.alive)
    figures += few.figures(_FEW)
    return figures + many.figures(scale.alive, like=few)


async def _ended(on: Stage, count: int) -> list[Figure]:
    await on.make_role(_ROLE, 1, 0)

    async def issue_some() -> None:
        for _ in range(count // _AT_ONCE):
            await on.issue(_ROLE)

    await asyncio.gather(*(issue_some() for _ in range(_AT_ONCE)))
    wanted = count // _AT_ONCE * _AT_ONCE
    due = await make_due(on.stack, _ROLE)
    began = time.perf_counter()
    swept = await on.admin.must("POST", "sweep")
    seconds = time.perf_counter() - began
    if (due, swept["ended"], swept["remaining"]) != (wanted, wanted, 0):
        raise NotMeasuredError(f"of {wanted} leases: {due}, {swept}")
    return [Figure(f"leases ended, of {wanted} that are due", wanted / seconds, "leases/s", Target(">=", _FASTEST))]


def _parts(on: Stage) -> Parts:
    """The broker in this process, over a storage account of its own."""
    storage = on.stack.storage
    return Parts(on.stack.environment() | {"AzureWebJobsStorage": storage.connect("spare0")})


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


async def _idle(parts: Parts, alive: int) -> _Idle:
    """Fills the account up to that many leases, and sweeps: to warm up, to take the time, and to count."""
    await _fill(parts, alive)
    with watched() as seen:
        await _sweep_nothing(parts.outside, seen)
        seconds = statistics.median([await _sweep_nothing(parts.outside, seen) for _ in range(_REPEATS)])
        seen.counts_rows = True
        await _sweep_nothing(parts.outside, seen)
    return _Idle(len(seen.intervals), seen.rows, seconds * 1000)


async def _sweep_nothing(outside: Outside, seen: Outgoing) -> float:
    seen.forget()
    began = time.perf_counter()
    summary = await sweep(outside, "benchmark")
    if summary != Summary():
        raise NotMeasuredError(f"a sweep that should have found nothing due: {summary}")
    return time.perf_counter() - began


async def _fill(parts: Parts, alive: int) -> None:
    role, outside = RoleName(_ROLE), parts.outside
    there = sum((await outside.leases.census()).values())
    now = outside.now()
    template = _lease(LeaseId.of(role, outside.ids.ulid(now)), outside)
    leases = [replace(template, id=LeaseId.of(role, outside.ids.ulid(now))) for _ in range(alive - there)]
    table, batches = Table(parts.tables, "leases"), iter(list(_batches(leases)))

    async def write_some() -> None:
        for batch in batches:
            await table.write(batch)

    await asyncio.gather(*(write_some() for _ in range(_AT_ONCE)))
    if (found := sum((await outside.leases.census()).values())) != alive:
        raise NotMeasuredError(f"{found} leases are alive, of {alive}")


def _batches(leases: Sequence[Lease]) -> Iterator[list[Operation]]:
    """The transactions that ``TableLeases.open`` would make, several at once."""
    ids = SystemIds()
    by_shard = sorted(leases, key=lambda each: each.id.shard)
    for _, alike in itertools.groupby(by_shard, key=lambda each: each.id.shard):
        for some in itertools.batched(alike, _TOGETHER, strict=False):
            rows = [(lease_row(each, ids.guid()), due_row(each), *index_rows(each)) for each in some]
            yield [("create", row) for row in itertools.chain.from_iterable(rows)]


def _lease(lease_id: LeaseId, outside: Outside) -> Lease:
    """An active lease of an hour."""
    now = outside.now()
    later = now + timedelta(hours=1)
    here = ObjectId(UUID(int=1))
    scope = Scope(f"/subscriptions/{here}/resourceGroups/app")
    footprint = ServicePrincipalFootprint(f"leasehold-{lease_id}", (Assignment(scope, here),), (), True, here, here, here)
    return Lease(
        id=lease_id,
        type="service_principal",
        state=State.ACTIVE,
        holder=Holder(here, here, here),
        issued_at=now,
        expires_at=later,
        max_expires_at=later,
        ttl=3600,
        renewable=True,
        footprint=footprint,
        planned_at=now,
        due_at=later,
        made_by=now,
        max_ttl=3600,
    )
