"""Work that many callers ask for at the same time, and that is done once for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.resilience.priority import for_everybody


class SingleFlight[T]:
    """Runs ``work`` when it is asked for. A caller that asks while it runs gets the same outcome.

    If a caller gives up, the work goes on: other callers still wait for it. ``name`` is for the log.
    """

    def __init__(self, work: Callable[[], Awaitable[T]], name: str) -> None:
        self._work = work
        self._name = name
        self._under_way: asyncio.Task[T] | None = None

    @property
    def is_under_way(self) -> bool:
        """Returns whether the work runs now."""
        return self._under_way is not None

    async def outcome(self) -> T:
        """Returns the result of the work. Raises what the work raised."""
        return await asyncio.shield(self._started())

    def in_background(self) -> None:
        """Starts the work unless it runs already, and does not wait. A failure goes to the log."""
        self._started()

    def _started(self) -> asyncio.Task[T]:
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._run())
            self._under_way.add_done_callback(self._land)
        return self._under_way

    async def _run(self) -> T:
        with for_everybody():
            return await self._work()

    def _land(self, task: asyncio.Task[T]) -> None:
        self._under_way = None
        if not task.cancelled() and (failure := task.exception()) is not None:
            logging.getLogger(__name__).warning("%s failed: %s", self._name, failure)
