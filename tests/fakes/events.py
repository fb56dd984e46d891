"""The queue of events, the events that were given up, and the counts of events, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from shared.core.events.event import Event, encoded
from shared.core.ports.event_counts import Counted
from shared.core.ports.queue import Aside
from tests.fakes.calls import Calls


class MemoryEvents:
    """Satisfies ``EventsQueue``. Keeps texts, as the real queue does; a test delivers them, or not, or twice."""

    def __init__(self, calls: Calls) -> None:
        self.texts: list[str] = []
        self.hidden: list[timedelta] = []
        self.aside: dict[int, str] = {}
        self._calls = calls
        self._number = 0

    async def send(self, event: Event, *, hidden: timedelta = timedelta(0)) -> None:
        """See the port."""

        def send() -> None:
            self.texts.append(encoded(event))
            self.hidden.append(hidden)

        await self._calls.through("events.send", send, event)

    async def put_aside(self, event: Event) -> None:
        """See the port."""
        await self._calls.through("events.put_aside", lambda: self._keep(encoded(event)), event)

    async def take_aside(self, most: int) -> Sequence[Aside]:
        """See the port. What was taken and not forgotten is taken again at once."""
        return await self._calls.through(
            "events.take_aside", lambda: [Aside(text, key) for key, text in [*self.aside.items()][: min(most, 32)]], most
        )

    async def forget_aside(self, aside: Aside) -> None:
        """See the port."""
        await self._calls.through("events.forget_aside", lambda: self.aside.pop(aside.receipt, None), aside)

    async def count_aside(self) -> int:
        """See the port."""
        return await self._calls.through("events.count_aside", lambda: len(self.aside))

    def take(self) -> list[str]:
        """The messages that have been sent since the last time, in order."""
        taken, self.texts, self.hidden = self.texts, [], []
        return taken

    def _keep(self, text: str) -> None:
        self._number += 1
        self.aside[self._number] = text


class MemoryEventCounts:
    """Satisfies ``EventCounts``."""

    def __init__(self, calls: Calls) -> None:
        self.counts: Counter[Counted] = Counter()
        self._calls = calls

    async def add(self, what: Counted, number: int = 1) -> None:
        """See the port."""
        await self._calls.through("event_counts.add", lambda: self.counts.update({what: number}), what)

    async def read(self) -> Mapping[Counted, int]:
        """See the port."""
        return await self._calls.through("event_counts.read", lambda: dict(self.counts))
