"""Listing one's leases, and asking how the broker is doing, beside thousands of leases that have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta

from shared.cloud.storage.tables import Table
from shared.core.lease import Cause
from shared.core.names import LeaseId, RoleName
from shared.wiring.root import Composition
from tests.bench.bench_stack import BenchStack, Scale, bench_stack
from tests.bench.crowd import active_lease, put_there
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by

TITLE = "A caller's listing, with one live lease, and status, beside leases that have ended (CPU time)"
_ROLE = "listing"
_CPU = {"list_leases": 10.0, "status": 5.0}
"""Milliseconds."""
_CALLERS = 8
_ROUNDS = 4
_CALLS = 25
"""Of each caller in a round: half of them list, half of them ask for the status."""
_SLOWEST = 300.0


async def measure(scale: Scale) -> list[Figure]:
    """Puts the ended leases there, lets callers come to the function host, and then calls the functions in a process alone."""
    async with bench_stack() as on:
        await on.make_role(_ROLE, 1, 0)
        await on.issue(_ROLE)
        await _fill(on, scale.ended)
        held = [await _round(on) for _ in range(_ROUNDS)]
        await on.stack.hosts[0].stop()
        samples = {name: await _alone(on, scale, name) for name in _CPU}
    return [
        Figure("leases that have ended", scale.ended, "leases"),
        *(figure for name, taken in samples.items() for figure in _figures(name, taken)),
        Figure(f"memory of the worker after {_CALLERS * _CALLS} calls of {_CALLERS} callers", held[0], "MB", Target("<", 150)),
        Figure(f"after {_ROUNDS * _CALLERS * _CALLS} calls", held[-1], "MB", Target("<", 150)),
        Figure("growth since the first round", 100 * (held[-1] - held[0]) / held[0], "%", Target("<", 5)),
    ]


async def _alone(on: BenchStack, scale: Scale, function: str) -> list[float]:
    token = on.admin.token if function == "status" else on.web.token
    taken: list[float] = await told_by(on, "reads", function, str(scale.issues), seconds=_SLOWEST, token=token)
    return taken


def _figures(name: str, taken: Sequence[float]) -> Iterator[Figure]:
    yield Figure(f"{name}: CPU, p10", percentile(taken, 0.1), "ms")
    yield Figure(f"{name}: CPU, p50", percentile(taken, 0.5), "ms", Target("<=", _CPU[name]))
    yield Figure(f"{name}: CPU, p99", percentile(taken, 0.99), "ms")


async def _fill(on: BenchStack, count: int) -> None:
    composition = Composition(on.stack.environment())
    async with composition.storage.tables:
        ports = composition.ports
        ids = [LeaseId.of(RoleName(_ROLE), ports.ids.ulid(ports.now())) for _ in range(count)]
        active = (active_lease(each, ports) for each in ids)
        over = [
            each.ending(Cause.EXPIRED, each.planned_at, each.planned_at).ended(ports.now(), timedelta(days=7))
            for each in active
        ]
        await put_there(Table(composition.storage.tables, "leases"), over)


async def _round(on: BenchStack) -> float:
    """Megabytes of the worker's process when all callers have come."""

    async def come(number: int) -> None:
        broker, path = (on.admin, "status") if number % 2 else (on.web, "leases")
        for _ in range(_CALLS):
            await broker.must("GET", path)

    await asyncio.gather(*(come(number) for number in range(_CALLERS)))
    return await on.resident()
