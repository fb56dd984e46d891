"""``python -m tests.bench.claiming COUNT ROLE...``: leases out of pools, so many at once, and what each took of our own time.

Runs as a process of its own, as ``product`` does. From each role's pool so many are claimed at once, and then as many once
more. Prints a JSON object: milliseconds of each claim, and of the processor for each, and the ids of the leases.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.bench.figures import Interval, covered
from tests.bench.outgoing import OF_ONE, watched
from tests.bench.product import Product

_TIMES = 2


@dataclass(slots=True)
class _Claims:
    """``own``: while no request to the outside was under way for the claim, in milliseconds. ``whole``: in all."""

    own: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of each crowd, for one claim."""


async def _claim(product: Product, role: str, into: _Claims) -> None:
    requests: list[Interval] = []
    OF_ONE.set(requests)
    began = time.perf_counter()
    made = await product.call("issue_lease", "POST", {"reason": "benchmark"}, role=role)
    ended = time.perf_counter()
    if not requests:
        raise RuntimeError("no request to the outside was seen: the watch is on the wrong transport")
    into.whole.append(1000 * (ended - began))
    into.own.append(1000 * (ended - began - covered(requests, (began, ended))))
    into.leases.append(json.loads(made)["lease"]["id"])


async def _main(count: int, roles: Sequence[str]) -> None:
    logging.basicConfig(level=logging.INFO)
    product, found = Product(os.environ["BENCH_TOKEN"]), _Claims()
    with watched():
        for role in roles:
            for _ in range(_TIMES):
                spent = time.process_time()
                # Each is a task, and so has a context of its own.
                await asyncio.gather(*(asyncio.create_task(_claim(product, role, found)) for _ in range(count)))
                found.cpu.append(1000 * (time.process_time() - spent) / count)
    sys.stdout.write(json.dumps(asdict(found)))
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2:]))
