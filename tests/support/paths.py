"""``python -m tests.support.paths ROLE``: the product's own functions on the way from each verb to each request that it sends.

Runs the app's functions in this process, in the environment of a function host. ``BENCH_TOKEN`` is the token of an admin.
Prints a JSON object with a list of ``Sent`` for each verb.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock
from weakref import WeakKeyDictionary

import aiohttp
import httpx

from tests.bench.product import Product

_SHARED = str(Path(__file__).resolve().parents[2] / "shared") + os.sep
_VERBS = _SHARED + "broker" + os.sep

type Frames = tuple[tuple[str, str], ...]
"""Files and functions, the outermost first."""
type Sent = tuple[str, str, list[str], list[str]]
"""A request: its method, its address, the functions that lead to the verb, and those that lead from it to the sending."""


class Paths:
    """Notes for each task which functions have begun it: so a path goes on in the task that awaits, or has begun, another."""

    def __init__(self) -> None:
        self._begun: WeakKeyDictionary[asyncio.Task[Any], Frames] = WeakKeyDictionary()
        self.sent: list[Sent] = []

    def begin(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        """Makes a task. The loop's task factory."""
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        self._begun[task] = self._here()
        return task

    def note(self, method: str, url: Any) -> None:
        """Notes a request that the caller sends. A request that no verb leads to is left out."""
        frames = self._here()
        first = next((index for index, (file, _) in enumerate(frames) if file.startswith(_VERBS)), None)
        if first is not None:
            names = [name for _, name in frames]
            self.sent.append((method, str(url), names[:first], names[first:]))

    def _here(self) -> Frames:
        found: list[tuple[str, str]] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(_SHARED) and not code.co_name.startswith("<"):
                found.append((code.co_filename, code.co_qualname.rpartition("<locals>.")[2]))
            frame = frame.f_back
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        return (*(self._begun.get(task, ()) if task is not None else ()), *reversed(found))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within, notes what is sent by both clients that the product sends with."""
        of_httpx, of_aiohttp = httpx.AsyncHTTPTransport.handle_async_request, aiohttp.ClientSession._request

        async def by_httpx(transport: Any, request: httpx.Request) -> httpx.Response:
            self.note(request.method, request.url)
            return await of_httpx(transport, request)

        async def by_aiohttp(session: Any, method: str, url: Any, **options: Any) -> Any:
            self.note(method, url)
            return await of_aiohttp(session, method, url, **options)

        with (
            mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", by_httpx),
            mock.patch.object(aiohttp.ClientSession, "_request", by_aiohttp),
        ):
            yield


async def _main(role: str) -> None:
    product, found = Product(os.environ["BENCH_TOKEN"]), dict[str, list[Sent]]()
    paths = Paths()
    asyncio.get_running_loop().set_task_factory(paths.begin)

    async def observed(verb: str, call: Awaitable[Any]) -> Any:
        paths.sent = []
        with paths.watching():
            answer = await call
        found[verb] = paths.sent
        return json.loads(answer)

    await observed("sweep", product.call("run_sweep", "POST"))
    made = await observed("issue", product.call("issue_lease", "POST", {}, role=role))
    lease = made["lease"]["id"]
    await observed("renew", product.call("renew_lease", "POST", {"increment": "2h"}, id=lease))
    await observed("revoke", product.call("revoke_lease", "DELETE", id=lease))
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
