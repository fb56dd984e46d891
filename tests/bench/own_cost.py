"""What Leasehold itself adds to a request: from the request's object to the answer's, beside waiting for Azure and storage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from shared.broker.issue.asking import AskedFor, filled_for
from shared.core.role import Target as RoleTarget
from tests.bench.bench_stack import Scale, bench_stack
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by
from tests.bench.product import Sample
from tests.fakes.world import ALICE, WEB, World, principal_target, role, world
from tests.support.holes import CONTAINER, HOLES, TEMPLATE, VALUES, asking, target

TITLE = "Added by Leasehold to a request (R=1, G=0): wall time with no request to the outside under way, and CPU time"
_ROLE = "own-cost"
_WITH_HOLES = "own-cost-holes"
_FILLED = 2_000
_MORE_FOR_HOLES = 200
"""Microseconds of CPU that a request may cost more because its role has holes."""
_WITH_CONDITION = ({**HOLES, "box": {"kind": "container", "any": True}}, f"{CONTAINER} StringEquals '{{box}}'")
_SLOWEST = 300.0
_WALL = {0.5: 25.0, 0.99: 50.0}
"""Milliseconds by which an issue may be slowed down. Azure takes seconds for its three calls in a row: a hundredth of that."""


async def measure(scale: Scale) -> list[Figure]:
    """Calls the functions in a process of their own, while the function host rests.

    Issues from a role with a hole take turns with those from a plain role. What a hole costs is far less than what two such
    issues differ by. So the look-up, the decision and the filling are measured apart as well, on stores in memory.
    """
    async with bench_stack() as on:
        await on.make_role(_ROLE, 1, 0)
        value = await on.make_role_with_a_hole(_WITH_HOLES)
        await on.stack.hosts[0].stop()
        arguments = (_ROLE, str(scale.issues), _WITH_HOLES, value)
        samples: dict[str, list[Sample]] = await told_by(on, "product", *arguments, seconds=_SLOWEST)
    found = [figure for verb, measured in samples.items() for figure in _figures(verb, measured)]
    return [*found, *await asyncio.to_thread(lambda: asyncio.run(_asking()))]


async def _asking() -> list[Figure]:
    """What finding the role, deciding and filling cost in this process, in turns with those of a role without holes."""
    kinds: dict[str, tuple[RoleTarget, AskedFor]] = {
        "no hole": (principal_target(roles=1, groups=0), AskedFor()),
        "two holes in a scope": (target(), asking(**VALUES)),
        "a third hole in a condition": (
            target(_WITH_CONDITION[0], TEMPLATE, condition=_WITH_CONDITION[1]),
            asking(**VALUES, box="logs"),
        ),
    }
    worlds = {name: (world(role(of)), ask) for name, (of, ask) in kinds.items()}
    taken: dict[str, list[float]] = {name: [] for name in worlds}
    for _ in range(_FILLED):
        for name, (made, ask) in worlds.items():
            taken[name].append(await _filled(made, ask))
    plain, *others = ((name, percentile(times, 0.5)) for name, times in taken.items())
    more = (Figure(f"CPU more for {name}", cpu - plain[1], "µs", Target("<=", _MORE_FOR_HOLES)) for name, cpu in others)
    return [Figure("find, decide and fill, no hole: CPU, p50", plain[1], "µs"), *more]


async def _filled(made: World, ask: AskedFor) -> float:
    began = time.process_time()
    await filled_for(made.ports, ALICE, WEB, ask)
    return (time.process_time() - began) * 1_000_000


def _figures(verb: str, samples: Sequence[Sample]) -> Iterator[Figure]:
    whole, added, cpu = zip(*samples, strict=True)
    for share in (0.5, 0.99):
        limit = Target("<=", _WALL[share]) if verb.startswith("issue") else None
        yield Figure(f"{verb}: added, p{share * 100:.0f}", percentile(added, share), "ms", limit)
    for share in (0.5, 0.99):
        yield Figure(f"{verb}: CPU, p{share * 100:.0f}", percentile(cpu, share), "ms")
    yield Figure(f"{verb}: in all, against the local cloud, p50", percentile(whole, 0.5), "ms")
