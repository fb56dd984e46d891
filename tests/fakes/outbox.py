"""The outbox in memory, and a topic that takes events, or does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.core.errors import Refused, Upstream
from shared.core.names import shard_of
from shared.core.outgoing.event import OutgoingEvent
from shared.core.ports.outbox import Waiting, WaitingEvent
from tests.fakes.calls import Calls
from tests.fakes.leases import put_out


class MemoryOutbox:
    """Satisfies ``Outbox``. The events lie beside the leases, as in the real store."""

    def __init__(self, calls: Calls, rows: dict[str, WaitingEvent]) -> None:
        self.rows = rows
        self._calls = calls

    async def add(self, event: OutgoingEvent) -> None:
        """See the port."""
        await self._calls.through("outbox.add", lambda: put_out(self.rows, event, shard_of(event.id)), event)

    async def forget(self, events: Sequence[WaitingEvent]) -> None:
        """See the port."""
        await self._calls.through("outbox.forget", lambda: self._forget(events), events)

    async def postpone(self, events: Sequence[tuple[WaitingEvent, datetime]]) -> None:
        """See the port."""
        await self._calls.through("outbox.postpone", lambda: self._postpone(events), events)

    async def waiting(self, until: datetime, at_most: int) -> Waiting:
        """See the port."""
        return await self._calls.through("outbox.waiting", lambda: self._waiting(until, at_most))

    def _forget(self, events: Sequence[WaitingEvent]) -> None:
        for event in events:
            if self.rows.get(event.id) == event:
                del self.rows[event.id]

    def _postpone(self, events: Sequence[tuple[WaitingEvent, datetime]]) -> None:
        assert len({event.shard for event, _ in events}) <= 1, "one transaction is over one shard"
        for event, until in events:
            if self.rows.get(event.id) == event:
                self.rows[event.id] = replace(event, due_at=until)

    def _waiting(self, until: datetime, at_most: int) -> Waiting:
        found = sorted(each.id for each in self.rows.values() if each.due_at <= until)
        oldest = self.rows[found[0]].at if found else None
        return Waiting(min(len(found), at_most), oldest)


class FakeTopic:
    """Satisfies ``Publisher``. Keeps what was published, in order; ``down`` is what it answers while it takes nothing."""

    def __init__(self, calls: Calls) -> None:
        self.published: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.down: Upstream | None = None
        self.bad: set[str] = set()
        """The ids of events that it finds bad: a batch with one of them is refused as a whole."""
        self.seconds = 0.0
        """What an answer takes."""
        self._calls = calls

    async def publish(self, events: Sequence[str], *, deadline: float) -> None:  # noqa: ARG002 - nothing is tried again
        """See the port."""
        await self._calls.clock.sleep(self.seconds)
        await self._calls.through("topic.publish", lambda: self._publish(events), len(events))

    def ids(self) -> list[str]:
        """The ids of what was published."""
        return [event["id"] for event in self.published]

    def told(self) -> list[str]:
        """The types of what was published, without what all of them begin with."""
        return [event["type"].removeprefix("leasehold.") for event in self.published]

    def _publish(self, events: Sequence[str]) -> None:
        if self.down is not None:
            raise self.down.with_traceback(None)
        documents = [json.loads(event) for event in events]
        if any(each["id"] in self.bad for each in documents):
            raise Refused("bad", status=400)
        self.published += documents
        self.batches.append(len(documents))
