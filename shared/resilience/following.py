"""Work that many ask for, and that is done after each ask, but not once for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from shared.resilience.priority import for_everybody


class Following[T]:
    """Runs work under a key. Each ask is followed by a run that begins after it. Asks that wait for a run share it.

    A run under a key begins when the former one has ended. If a caller gives up, the run goes on: others may wait for it.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, asyncio.Task[T]] = {}
        """Runs that have not begun."""
        self._last: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Returns what came of a run that has begun after this call. Raises what the work raised."""
        if (task := self._waiting.get(key)) is None:
            task = asyncio.ensure_future(self._run(key, work, self._last.get(key)))
            self._waiting[key] = self._last[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]], former: asyncio.Task[T] | None) -> T:
        if former is not None:
            await asyncio.wait({former})
        del self._waiting[key]
        with for_everybody():
            return await work()

    def _ended(self, key: Hashable, done: asyncio.Task[T]) -> None:
        if self._waiting.get(key) is done:
            # It was cancelled before it has begun.
            del self._waiting[key]
        if self._last.get(key) is done:
            del self._last[key]
        # If all callers are gone, nobody takes the exception.
        if not done.cancelled():
            done.exception()
