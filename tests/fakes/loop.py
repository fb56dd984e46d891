"""An event loop for worlds of fakes, in which nothing comes from outside: a walk makes thousands of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from typing import Any
from weakref import WeakSet


class StillLoop(asyncio.BaseEventLoop):
    """Has no selector and no timers, and costs little to make. Time is the world's own clock's."""

    _ready: deque[asyncio.Handle]
    _asyncgens: WeakSet[AsyncGenerator[Any, Any]]

    def complete[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the work, cancels what it has left under way, and closes the loop: what ``asyncio.Runner`` does, and cheaper.

        A runner also minds signals and threads, and turns the loop three times more at its end. Nothing of that is here.
        """
        try:
            return self.run_until_complete(self.create_task(work))
        finally:
            if left := asyncio.all_tasks(self):
                self.run_until_complete(self._cancelled(left))
            if self._asyncgens:
                self.run_until_complete(self.shutdown_asyncgens())
            self.close()

    async def _cancelled(self, left: set[asyncio.Task[Any]]) -> None:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for task in left:
            if not task.cancelled() and (failure := task.exception()) is not None:
                context = {"message": "unhandled exception as the loop was closed", "exception": failure, "task": task}
                self.call_exception_handler(context)

    def _run_once(self) -> None:
        """Everything that is ready by now. Raises ``RuntimeError`` where another loop would wait for ever."""
        ready = self._ready
        if not ready:
            raise RuntimeError("everybody waits, and nothing can come")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
                self.after_step()

    def _write_to_self(self) -> None:
        """Nobody waits for a signal: what is called from a finalizer is ready by itself."""

    def after_step(self) -> None:
        """Whatever may come in between any two steps of the tasks."""
