"""The runs under way: each outlives whoever asked for it, and the host's end waits for them, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.host import worker

if TYPE_CHECKING:
    import datetime as dt

    from local.host.worker import Function, Outcome


@dataclass(slots=True)
class Invocations:
    """Starts functions and keeps count of what still runs."""

    timeout: dt.timedelta | None = None
    _running: set[asyncio.Task[Any]] = field(default_factory=set)

    def start(self, function: Function, given: Any, metadata: Mapping[str, Any] | None = None) -> asyncio.Task[Outcome]:
        """Runs a function in a task of its own."""
        return self.track(worker.invoke(function, given, metadata, within=self.timeout))

    async def run(self, function: Function, given: Any, metadata: Mapping[str, Any] | None = None) -> Outcome:
        """Runs a function to its end. Cancelling the caller leaves the function alone."""
        return await asyncio.shield(self.start(function, given, metadata))

    def track[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts work that the host's end has to wait for."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self, seconds: float) -> int:
        """Waits for all that runs; cancels, and counts, what does not end in time."""
        if not self._running:
            return 0
        _, late = await asyncio.wait(self._running, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)
        return len(late)
