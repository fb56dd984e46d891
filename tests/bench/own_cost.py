"""What Leasehold itself adds to a request: from the request's object to the answer's, beside waiting for Azure and storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench.bench_stack import Scale, bench_stack
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by
from tests.bench.product import Sample

TITLE = "Added by Leasehold to a request (R=1, G=0): wall time with no request to the outside under way, and CPU time"
_ROLE = "own-cost"
_SLOWEST = 300.0
_WALL = {0.5: 25.0, 0.99: 50.0}
"""Milliseconds by which an issue may be slowed down. Azure takes seconds for its three calls in a row: a hundredth of that."""


async def measure(scale: Scale) -> list[Figure]:
    """Calls the functions in a process of their own, while the function host rests."""
    async with bench_stack() as on:
        await on.make_role(_ROLE, 1, 0)
        await on.stack.hosts[0].stop()
        samples: dict[str, list[Sample]] = await told_by(on, "product", _ROLE, str(scale.issues), seconds=_SLOWEST)
    return [figure for verb, measured in samples.items() for figure in _figures(verb, measured)]


def _figures(verb: str, samples: Sequence[Sample]) -> Iterator[Figure]:
    whole, added, cpu = zip(*samples, strict=True)
    for share in (0.5, 0.99):
        target = Target("<=", _WALL[share]) if verb == "issue" else None
        yield Figure(f"{verb}: added, p{share * 100:.0f}", percentile(added, share), "ms", target)
    for share in (0.5, 0.99):
        yield Figure(f"{verb}: CPU, p{share * 100:.0f}", percentile(cpu, share), "ms")
    yield Figure(f"{verb}: in all, against the local cloud, p50", percentile(whole, 0.5), "ms")
