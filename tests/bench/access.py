"""Who may have what: what a decision costs, and how that grows with the configuration."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from shared.core.access.configuration import Configuration
from shared.core.access.facts import Facts
from shared.core.caller import Caller
from tests.bench import access_http
from tests.bench.bench_stack import Scale
from tests.bench.deciding import STARRED, callers, decided, documents
from tests.bench.figures import Figure, Target, percentile

TITLE = "Deciding who may have what: CPU time in one process, facts of the caller remembered; then over HTTP"
_SIZES = (10, 1_000, 10_000)
_STARS = 1_000
_ROUNDS = 50
_MICROSECONDS = 1e6


async def measure(scale: Scale) -> list[Figure]:
    """Decides about callers of each kind in turn, with each configuration in turn: noise comes upon all of them alike."""
    plain = {size: Configuration(*documents(size)) for size in _SIZES}
    starred = {pattern: Configuration(*documents(_SIZES[-1], pattern, _STARS)) for pattern in STARRED}
    machines = [(caller, facts) for caller, facts in callers() if facts.principal is not None]
    return [
        *_grown(_timed(plain, callers(), scale)),
        *_starred(_timed(starred, machines, scale)),
        *await _built(scale),
        *await access_http.measure(scale),
    ]


def _timed[Key](
    configurations: Mapping[Key, Configuration], asking: Sequence[tuple[Caller, Facts]], scale: Scale
) -> dict[Key, list[float]]:
    """Returns the microseconds of each decision, by configuration."""
    found: dict[Key, list[float]] = {size: [] for size in configurations}
    for _ in range(_ROUNDS * scale.starts):
        for size, configuration in configurations.items():
            for caller, facts in asking:
                began = time.process_time()
                decided(configuration, caller, facts)
                found[size].append((time.process_time() - began) * _MICROSECONDS)
    return found


def _grown(samples: Mapping[int, list[float]]) -> Iterator[Figure]:
    least = percentile(samples[_SIZES[0]], 0.5)
    for size, measured in samples.items():
        yield Figure(f"decision, {size:,} auth roles and policies, p50", percentile(measured, 0.5), "µs", Target("<=", 1000))
        yield Figure(f"decision, {size:,} auth roles and policies, p99", percentile(measured, 0.99), "µs")
    for size in _SIZES[1:]:
        growth = percentile(samples[size], 0.5) / least
        yield Figure(f"growth of the p50 from {_SIZES[0]} to {size:,}", growth, "times", Target("<=", 1.5))


def _starred(samples: Mapping[str, list[float]]) -> Iterator[Figure]:
    for pattern, measured in samples.items():
        name = f"an identity, {_STARS:,} of {_SIZES[-1]:,} auth roles by {pattern.format('X')}, p50"
        yield Figure(name, percentile(measured, 0.5), "µs")


async def _built(scale: Scale) -> Iterator[Figure]:
    """Measures in fresh processes: memory that was used once is not given back."""
    runs = [await _one_build() for _ in range(scale.starts)]
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    size = f"{_SIZES[-1]:,} auth roles and policies"
    return iter([
        Figure(f"indexing {size}", middle["build_ms"], "ms"),
        Figure(f"indexing {size}, and the first decisions", middle["first_ms"], "ms", Target("<=", 300)),
        Figure(f"memory of {size}: text and index", middle["mb"], "MB", Target("<=", 30)),
    ])  # fmt: skip


async def _one_build() -> dict[str, float]:
    command = (sys.executable, "-m", "tests.bench.deciding", str(_SIZES[-1]))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    found: dict[str, float] = json.loads(printed)
    return found
