"""Cold start: from a worker's process to its indexed functions, and what the first issue costs more than the second."""

from __future__ import annotations

import statistics
import time

from tests.bench.bench_stack import BenchStack, Scale, bench_stack
from tests.bench.figures import Figure, Target

TITLE = "Cold start (medians)"
_ROLE = "cold"


async def measure(scale: Scale) -> list[Figure]:
    """Starts fresh workers over the same storage and cloud."""
    async with bench_stack() as on:
        await on.make_role(_ROLE, 1, 0)
        await on.issue(_ROLE)  # compiles what is not compiled yet
        started = [await _started(on) for _ in range(scale.starts)]
    ready, first, second = (statistics.median(column) for column in zip(*started, strict=True))
    more = statistics.median(one - other for _, one, other in started)
    return [
        Figure("process start to indexed functions", ready, "s"),
        Figure("first issue of a fresh worker", first, "s"),
        Figure("second issue", second, "s"),
        Figure("the first issue costs more by", more, "s", Target("<=", 0.5)),
    ]


async def _started(on: BenchStack) -> tuple[float, float, float]:
    """Seconds to index, of the first issue, of the second."""
    host = on.stack.hosts[0]
    await host.stop()
    began = time.perf_counter()
    await host.start()
    ready = time.perf_counter()
    await on.issue(_ROLE)
    first = time.perf_counter()
    await on.issue(_ROLE)
    return ready - began, first - ready, time.perf_counter() - first
