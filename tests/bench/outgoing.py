"""Watches every request that this process sends: how long it lasted, and the rows in its answer."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx

from shared.cloud.azure_connections import InTime
from shared.resilience.following import Following
from tests.bench.figures import Interval

type _Send = Callable[..., Awaitable[Any]]
type _Run = Callable[..., Awaitable[Any]]

OF_ONE: ContextVar[list[Interval] | None] = ContextVar("of_one", default=None)
"""When requests were under way for the work in this context, where there is other work beside it.

A request that is made once for several of them counts for each, from its ask on.
"""


@dataclass(slots=True)
class Outgoing:
    """What was sent since ``forget``."""

    counts_rows: bool = False
    """Whether answers are read for rows, which takes time."""
    intervals: list[Interval] = field(default_factory=list)
    """When a request was under way: to the answer's headers with httpx, to its last octet with Azure's own clients."""
    rows: int = 0
    """Of the answers that list any: ``{"value": [...]}``."""

    def forget(self) -> None:
        """Begins anew."""
        self.intervals.clear()
        self.rows = 0


@contextmanager
def watched() -> Iterator[Outgoing]:
    """Within it, both transports that the product uses are watched."""
    seen = Outgoing()
    of_httpx, of_azure = httpx.AsyncHTTPTransport.handle_async_request, InTime.send
    with (
        mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", _observed(seen, of_httpx)),
        mock.patch.object(InTime, "send", _observed(seen, _whole(seen, of_azure))),
        mock.patch.object(Following, "run", _observed_by_each(Following.run)),
    ):
        yield seen


def _observed(seen: Outgoing, send: _Send) -> _Send:
    async def observed(transport: Any, *arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return await send(transport, *arguments, **options)
        finally:
            own = OF_ONE.get()
            (seen.intervals if own is None else own).append((began, time.perf_counter()))

    return observed


def _observed_by_each(run: _Run) -> _Run:
    shared: list[Interval] = []

    async def observed(following: Any, key: Any, work: Callable[[], Awaitable[Any]]) -> Any:
        async def for_all() -> Any:
            if OF_ONE.get() is not None:
                OF_ONE.set(shared)
            return await work()

        began, own = time.perf_counter(), OF_ONE.get()
        try:
            return await run(following, key, for_all)
        finally:
            if own is not None:
                own += [(max(began, start), end) for start, end in shared if end > began]

    return observed


def _whole(seen: Outgoing, send: _Send) -> _Send:
    """With the answer's body, which Azure's clients ask for a moment later when it answers a transaction."""

    async def whole(transport: Any, *arguments: Any, **options: Any) -> Any:
        answer = await send(transport, *arguments, **options)
        if options.get("stream"):
            await answer.read()
        if seen.counts_rows:
            seen.rows += _rows_in(answer.content)
        return answer

    return whole


def _rows_in(body: bytes) -> int:
    content = json.loads(body) if body.startswith(b"{") else {}
    return len(content.get("value", ()))
