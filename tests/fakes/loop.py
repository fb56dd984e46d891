"""An event loop for worlds of fakes, in which nothing comes from outside: a walk makes thousands of them."""

from __future__ import annotations

import asyncio
from collections import deque


class StillLoop(asyncio.BaseEventLoop):
    """Has no selector and no timers, and costs little to make. Time is the world's own clock's."""

    _ready: deque[asyncio.Handle]

    def _run_once(self) -> None:
        """Everything that is ready by now. Raises ``RuntimeError`` where another loop would wait for ever."""
        if not self._ready:
            raise RuntimeError("everybody waits, and nothing can come")
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()
                self.after_step()

    def _write_to_self(self) -> None:
        """Nobody waits for a signal: what is called from a finalizer is ready by itself."""

    def after_step(self) -> None:
        """Whatever may come in between any two steps of the tasks."""
