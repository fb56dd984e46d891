"""A hundred thousand live leases: what an idle sweep reads and asks for, and what an issue, a read and a renewal take."""

from __future__ import annotations

import itertools
import json
import os
import resource
import statistics
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from pathlib import Path

from shared.broker.ending.sweep import Summary, sweep
from shared.broker.ports import Ports
from shared.cloud.storage.tables import Table
from shared.core.lease import Lease
from shared.core.names import LeaseId, RoleName
from shared.wiring.root import Composition
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.crowd import active_lease, put_there, rows_of
from tests.bench.figures import Figure, Target
from tests.bench.outgoing import Outgoing, watched

TITLE = "Scale: many leases alive (no replication delays)"
_ROLE = "alive"
_LIVES = 60
_WARM_UP = 10
_PORTION = 5_000
"""Leases that are put there between two looks at the emulator."""
_OVERHEAD = 350
"""Octets that the emulator keeps of a row beside its properties: its own names for time, version and place."""
_MOST_JSON = 450_000_000
"""Octets of JSON up to which the emulator is filled: it writes all it holds into one string now and then, and no string of
its runtime is longer than 2**29 - 24 characters."""


async def measure(scale: Scale) -> list[Figure]:
    """Before and after the store is filled; fewer leases than asked for when the emulator cannot hold them."""
    async with bench_stack() as on:
        await on.make_role(_ROLE, 1, 0)
        composition = Composition(on.stack.environment())
        async with composition.storage.tables:
            await _lives(on, _WARM_UP)
            empty = await _acquire(on, composition.ports)
            size = _size_of(_template(composition.ports))
            alive = min(scale.crowd, _MOST_JSON // size)
            began = time.perf_counter()
            await _fill(composition, alive)
            filled = time.perf_counter() - began
            crowded = await _acquire(on, composition.ports)
        memory = _resident(on.stack.storage.child.process.pid)
    return [
        Figure("leases put there", alive, "leases", Target(">=", scale.crowd)),
        Figure("what one takes in the emulator, about", size, "bytes"),
        Figure("putting them there takes", filled, "s"),
        Figure("the emulator's memory then", memory / 1024**2, "MB"),
        Figure("this process's memory at most", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB"),
        *crowded.figures(f"{alive:,} leases alive", empty),
    ]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was measured of one store."""

    requests: int
    rows: int
    milliseconds: dict[str, float]
    """p50, by verb."""

    def figures(self, label: str, like: _Taken) -> list[Figure]:
        """Beside those of the empty store, which the counts must equal."""
        found = [
            Figure(f"idle sweep, {label}: requests", self.requests, "requests", Target("=", like.requests)),
            Figure(f"idle sweep, {label}: rows read", self.rows, "rows", Target("=", like.rows)),
        ]
        for verb, value in self.milliseconds.items():
            found.append(Figure(f"{verb} p50, empty store", like.milliseconds[verb], "ms"))
            found.append(Figure(f"{verb} p50, {label}", value, "ms"))
        return found


async def _acquire(on: BenchStack, ports: Ports) -> _Taken:
    with watched() as seen:
        await _idle(ports, seen)
        seen.counts_rows = True
        await _idle(ports, seen)
        requests, rows = len(seen.intervals), seen.rows
    return _Taken(requests, rows, {verb: statistics.median(taken) for verb, taken in (await _lives(on, _LIVES)).items()})


async def _idle(ports: Ports, seen: Outgoing) -> None:
    seen.forget()
    if (summary := await sweep(ports, "benchmark")) != Summary():
        raise NotMeasuredError(f"a sweep that should have found nothing due: {summary}")


async def _lives(on: BenchStack, count: int) -> dict[str, list[float]]:
    """So many leases through the API, one after the other; milliseconds by verb."""
    taken: dict[str, list[float]] = {"issue": [], "read": [], "renew": [], "revoke": []}

    async def timed[T](verb: str, work: Awaitable[T]) -> T:
        began = time.perf_counter()
        answer = await work
        taken[verb].append(1000 * (time.perf_counter() - began))
        return answer

    for _ in range(count):
        lease = await timed("issue", on.issue(_ROLE))
        await timed("read", on.web.must("GET", f"leases/{lease}"))
        await timed("renew", on.web.must("POST", f"leases/{lease}/renew", {"increment": "1h"}))
        await timed("revoke", on.revoke(lease))
    return taken


def _template(ports: Ports) -> Lease:
    lease = active_lease(LeaseId.of(RoleName("crowd"), ports.ids.ulid(ports.now())), ports)
    return lease.locked_until(lease.due_at + (lease.due_at - lease.issued_at) * 24)


def _size_of(lease: Lease) -> int:
    return sum(len(json.dumps(row)) + _OVERHEAD for row in rows_of(lease, "0" * 36))


async def _fill(composition: Composition, count: int) -> None:
    ports, table = composition.ports, Table(composition.storage.tables, "leases")
    template = _template(ports)
    numbers = iter(range(count))
    while portion := list(itertools.islice(numbers, _PORTION)):
        await put_there(table, [_another(ports, template) for _ in portion])


def _another(ports: Ports, lease: Lease) -> Lease:
    return replace(lease, id=LeaseId.of(lease.id.role, ports.ids.ulid(lease.issued_at)))


def _resident(pid: int) -> int:
    """Octets of memory that a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
