"""A heartbeat: renews a lock again and again, for as long as the worker that holds it is alive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.core.errors import LostRace, Upstream
from shared.core.ports.system import Clock
from shared.resilience.tasks import stop

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls ``renew`` every ``seconds``, from now until ``stop``, or until another worker has taken the lock over.

    If another worker has taken the lock over, ``renew`` raises ``LostRace``. If ``renew`` raises ``Upstream``, the next beat
    tries again. ``what`` is the lock's name in the log.
    """

    def __init__(self, clock: Clock, seconds: float, renew: Callable[[], Awaitable[object]], what: str) -> None:
        self._clock = clock
        self._seconds = seconds
        self._renew = renew
        self._what = what
        self.lost = asyncio.Event()
        """Set as soon as it is known that another worker has taken the lock over."""
        self._renewing = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Returns when no renewal is under way and none follows. A second call returns at once."""
        if (beating := self._beating) is None:
            return
        try:
            async with self._renewing:
                pass  # a renewal under way ends first: if it were cut off, nobody would know whether it is stored
        finally:
            # If the caller is cancelled while it waits, the heartbeat must end too.
            beating.cancel()
            self._beating = None
        await stop(beating, log, f"the heartbeat of {self._what}")

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            try:
                async with self._renewing:
                    await self._renew()
            except LostRace:
                log.info("%s was taken over", self._what)
                self.lost.set()
                return
            except Upstream:
                log.warning("%s could not be renewed", self._what, exc_info=True)
