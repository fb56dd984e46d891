"""Publishes the events in the outbox that are due: the sweep does it, beside its leases and in a time of its own.

An event is deleted after it was published. If the worker dies in between, it is published again: at least once, in no order.
A topic that does not answer delays nothing else. What it has not taken moves to a later instant, so that the sweeps in between
do not read it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import LeaseholdError, Refused, Throttled, Upstream
from shared.core.ports.outbox import WaitingEvent
from shared.resilience.priority import answer_deadline, in_background
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

MOST = 100
"""Events of a batch."""
MOST_OCTETS = 900_000
"""Of a batch. A topic takes 1 MB a request: https://learn.microsoft.com/azure/event-grid/quotas-limits"""
_ENVELOPE = 400
"""Octets that an event has beside its text, at most."""
TOO_OLD = timedelta(hours=24)
_SHORTEST = timedelta(minutes=1)
_LONGEST = timedelta(minutes=15)
LATEST = timedelta(hours=1)
"""No event is postponed for longer: that is the longest wait that the adapter takes from a service's answer."""
_TRYING = 0.6
"""The share of the time after which no batch is begun: what is left is for moving what was not published."""
_AT_ONCE = 4
"""Batches under way. One alone would wait for each answer."""
_TOO_BIG_OR_BAD = frozenset({400, 413})
DROPPED, OFF = "events_dropped", "events_off"


async def publish_due(ports: Ports, request_id: str, due: Sequence[WaitingEvent]) -> None:
    """Publishes what it can in its time. Raises nothing: what stays in the outbox is due again."""
    if not due:
        return
    try:
        with in_background():
            await _Publishing(ports, request_id, ports.within(ports.timing.events)).run(due)
    except LeaseholdError:
        log.warning("events are left to the next sweep", exc_info=True)
    except Exception:
        log.exception("events could not be published")


@dataclass(slots=True)
class _Publishing:
    ports: Ports
    request_id: str
    until: float
    stop_at: float = field(init=False)
    failure: Upstream | None = field(default=None, init=False)
    error: str = field(default="", init=False)
    """Why events wait: the code that ``status`` shows."""
    bad: int = field(default=0, init=False)
    """Events that the topic does not take, whoever sends them."""

    def __post_init__(self) -> None:
        self.stop_at = self.until - (1 - _TRYING) * self.ports.timing.events

    async def run(self, due: Sequence[WaitingEvent]) -> None:
        now = self.ports.now()
        old = [event for event in due if event.at + TOO_OLD <= now]
        fresh = sorted((event for event in due if event.at + TOO_OLD > now), key=lambda it: (it.shard, it.due_at, it.id))
        try:
            if old:
                await self._drop(old, f"{len(old)} events older than a day")
            left = await self._publish(fresh)
            if left and self.error:
                await self._postpone(left)
        finally:
            await self._note(len(old) + self.bad)

    async def _publish(self, events: Sequence[WaitingEvent]) -> list[WaitingEvent]:
        """Returns what was not published. After a first failure nothing more is tried."""
        if self.ports.publisher is None:
            self.error = OFF
            return list(events)
        work, left = batches(events), list[WaitingEvent]()

        async def hand() -> None:
            for batch in work:
                if not await self._sent(batch):
                    left.extend(batch)

        await all_of(*(hand() for _ in range(_AT_ONCE)))
        return left

    async def _sent(self, batch: Sequence[WaitingEvent]) -> bool:
        """Returns whether none of the batch is to be sent again. A batch that the topic finds bad is halved."""
        publisher = self.ports.publisher
        if publisher is None or self.error or self.ports.clock.monotonic() >= self.stop_at:
            return False
        try:
            with answer_deadline(self.stop_at):
                await publisher.publish([event.text for event in batch], deadline=self.stop_at)
        except Upstream as failure:
            if not isinstance(failure, Refused) or failure.status not in _TOO_BIG_OR_BAD:
                self._fail(failure)
                return False
            if len(batch) > 1:
                half = len(batch) // 2
                return all([await self._sent(some) for some in (batch[:half], batch[half:])])
            self.bad += 1
            await self._drop(batch, f"event {batch[0].id}: the topic does not take it: {failure.brief()}")
            return True
        await self.ports.outbox.forget(batch)
        return True

    def _fail(self, failure: Upstream) -> None:
        if self.failure is None:
            log.warning("events could not be published, and are tried again later: %s", failure)
            self.failure, self.error = failure, failure.brief()

    async def _postpone(self, events: Sequence[WaitingEvent]) -> None:
        """Moves the events by their age: each waits as long again as it has waited, a minute at least, a quarter at most."""
        now, failure = self.ports.now(), self.failure
        asked = timedelta(seconds=failure.retry_after or 0.0) if isinstance(failure, Throttled) else timedelta()
        by_shard: dict[str, list[WaitingEvent]] = {}
        for event in events:
            by_shard.setdefault(event.shard, []).append(event)

        async def move(some: Sequence[WaitingEvent]) -> None:
            for first in range(0, len(some), MOST // 2):
                if self.ports.clock.monotonic() >= self.until:
                    return
                pauses = ((each, min(max(now - each.at, _SHORTEST), _LONGEST)) for each in some[first : first + MOST // 2])
                await self.ports.outbox.postpone([(each, now + min(max(asked, pause), LATEST)) for each, pause in pauses])

        await all_of(*(move(some) for some in by_shard.values()))

    async def _drop(self, events: Sequence[WaitingEvent], reason: str) -> None:
        """Audits what nobody will be told of, and deletes it. A death in between audits it twice rather than never."""
        log.error("events are dropped: %s", reason)
        event = AuditEvent(
            at=self.ports.now(),
            operation="publish",
            outcome=Outcome.FAILED,
            request_id=self.request_id,
            code=DROPPED,
            reason=reason,
        )
        await self.ports.audit.record(event)
        await self.ports.outbox.forget(events)

    async def _note(self, dropped: int) -> None:
        await self.ports.run_history.published(self.ports.now(), last_error=self.error, dropped=dropped)


def batches(events: Sequence[WaitingEvent]) -> Iterator[list[WaitingEvent]]:
    """Yields batches that a topic takes, in their order."""
    batch: list[WaitingEvent] = []
    octets = 0
    for event in events:
        size = len(event.text.encode()) + _ENVELOPE
        if batch and (len(batch) == MOST or octets + size > MOST_OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(event)
        octets += size
    if batch:
        yield batch
