"""``python -m tests.bench.one_sweep [alone]``: one sweep in this process, and the requests that it sends, by service.

The environment is a function host's. With ``alone`` no deletion finds company: the sweep as it would be without ``$batch``.
Prints a JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import Any
from unittest import mock

import httpx

from shared.broker.ending.sweep import sweep
from shared.cloud.azure_connections import InTime
from shared.cloud.graph import batch
from shared.wiring.root import Composition


async def _main(*, alone: bool) -> None:
    composition, sent = Composition(os.environ), Counter[str]()
    azure = composition.settings.azure
    services = {azure.graph_endpoint: "graph", azure.arm_endpoint: "arm"}

    def counted(send: Any) -> Any:
        async def counting(transport: Any, request: Any, **options: Any) -> Any:
            sent[next((name for address, name in services.items() if str(request.url).startswith(address)), "other")] += 1
            return await send(transport, request, **options)

        return counting

    with (
        mock.patch.object(
            httpx.AsyncHTTPTransport, "handle_async_request", counted(httpx.AsyncHTTPTransport.handle_async_request)
        ),
        mock.patch.object(InTime, "send", counted(InTime.send)),
        mock.patch.object(batch, "MOST", 1 if alone else batch.MOST),
    ):
        began = time.perf_counter()
        summary = await sweep(composition.ports, "benchmark")
        seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"seconds": seconds, "summary": asdict(summary), "requests": sent}))
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(alone="alone" in sys.argv[1:]))
