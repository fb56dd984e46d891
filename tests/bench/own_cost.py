"""What Leasehold itself adds to a request: from the request's object to the answer's, beside waiting for Azure and storage."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence

from local.host.process import ROOT
from tests.bench.figures import Figure, Target, percentile
from tests.bench.product import Sample
from tests.bench.stage import NotMeasuredError, Scale, Stage, stage

TITLE = "Added by Leasehold to a request (R=1, G=0): wall time with no request to the outside under way, and CPU time"
_ROLE = "own-cost"
_SLOWEST = 300.0
_WALL = {0.5: 25.0, 0.99: 50.0}
"""Milliseconds by which an issue may be slowed down. Azure takes seconds for its three calls in a row: a hundredth of that."""


async def measure(scale: Scale) -> list[Figure]:
    """Calls the functions in a process of their own, while the function host rests."""
    async with stage() as on:
        await on.make_role(_ROLE, 1, 0)
        await on.stack.hosts[0].stop()
        samples = await _samples(on, scale.issues)
    return [figure for verb, measured in samples.items() for figure in _figures(verb, measured)]


async def _samples(on: Stage, count: int) -> dict[str, list[Sample]]:
    environment = on.stack.environment() | {"PYTHONPATH": str(ROOT), "BENCH_TOKEN": on.web.token}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.product", _ROLE, str(count)),
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SLOWEST):
            told, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise NotMeasuredError(complaints.decode(errors="replace"))
    samples: dict[str, list[Sample]] = json.loads(told)
    return samples


def _figures(verb: str, samples: Sequence[Sample]) -> Iterator[Figure]:
    whole, added, cpu = zip(*samples, strict=True)
    for share in (0.5, 0.99):
        target = Target("<=", _WALL[share]) if verb == "issue" else None
        yield Figure(f"{verb}: added, p{share * 100:.0f}", percentile(added, share), "ms", target)
    for share in (0.5, 0.99):
        yield Figure(f"{verb}: CPU, p{share * 100:.0f}", percentile(cpu, share), "ms")
    yield Figure(f"{verb}: in all, against the local cloud, p50", percentile(whole, 0.5), "ms")
