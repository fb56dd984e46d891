"""``python -m tests.bench.judging COUNT``: verifies a token with a cached key and decides, and prints what each took of the
processor, in milliseconds.

Runs as a process of its own, in a function host's environment; ``BENCH_TOKEN`` is the caller's token.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from shared.broker.access import rights_of
from shared.wiring.root import Composition

_WARM_UP = 20


async def _main(count: int) -> None:
    broker = Composition(os.environ).broker
    taken: list[float] = []
    for _ in range(_WARM_UP + count):
        began = time.process_time()
        caller = await broker.verifier.verify(os.environ["BENCH_TOKEN"])
        (await rights_of(broker.ports, caller)).decide("roles/app-1-x/leases", "issue")
        taken.append((time.process_time() - began) * 1000)
    sys.stdout.write(json.dumps(taken[_WARM_UP:]))
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
