"""``python -m tests.bench.reads FUNCTION COUNT``: what a function that only reads costs a process in which nothing else runs.

The environment is a function host's; ``BENCH_TOKEN`` is the caller's token. Prints milliseconds of CPU for each call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time

from tests.bench.product import Product

_WARM_UP = 20


async def _main(function: str, count: int) -> None:
    logging.basicConfig(level=logging.WARNING)
    product = Product(os.environ["BENCH_TOKEN"])
    for _ in range(_WARM_UP):
        await _cpu(product, function)
    sys.stdout.write(json.dumps([await _cpu(product, function) for _ in range(count)]))
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


async def _cpu(product: Product, function: str) -> float:
    began = time.process_time()
    await product.call(function, "GET")
    return 1000 * (time.process_time() - began)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
