"""``python -m tests.bench.many ROLE COUNT``: issues that many leases, as a worker that knows of no limits of Azure's.

So the budgets of the worker that is measured are as full as Azure's own. The environment is a function host's;
``BENCH_TOKEN`` is the token of somebody who may use the role. Prints how many it issued.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
from unittest import mock

from shared.cloud import limits
from shared.resilience.rate_limit import Limit
from tests.bench.product import Product

_AT_ONCE = 8
_NONE = Limit(math.inf, 1)


async def _main(role: str, count: int) -> None:
    logging.basicConfig(level=logging.WARNING)
    product, numbers = Product(os.environ["BENCH_TOKEN"]), iter(range(count))

    async def issue_some() -> None:
        for _ in numbers:
            await product.call("issue_lease", "POST", {"reason": "benchmark"}, role=role)

    with mock.patch.multiple(limits, GRAPH_WRITES=_NONE, GRAPH_READS=_NONE, ARM_WRITES=_NONE, ARM_READS=_NONE):
        await asyncio.gather(*(issue_some() for _ in range(_AT_ONCE)))
    sys.stdout.write(f"{count}")
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
