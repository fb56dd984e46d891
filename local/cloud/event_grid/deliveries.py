"""Deliveries: an event on its way to one subscription, until it has arrived or is given up."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from local.cloud.event_grid import schedule
from local.cloud.event_grid.events import instant

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.event_grid.events import Event, Schema

type State = Literal["waiting", "delivered", "dead"]


@dataclass(slots=True)
class Delivery:
    """One. Instants are POSIX seconds on the local cloud's clock."""

    subscription: str
    event: Event
    published: float
    due: float
    """When the next attempt is made."""
    state: State = "waiting"
    attempts: int = 0
    outcome: str | None = None
    """Of the last attempt."""
    attempted: float | None = None
    reason: str | None = None
    """Why it is dead."""

    def attempted_at(self, now: float, status: int | None, speed: float) -> None:
        """Notes the outcome of an attempt that ended now, and what follows from it."""
        self.attempts += 1
        self.attempted = now
        if schedule.succeeded(status):
            self.state, self.outcome = "delivered", "Success"
            return
        self.outcome = schedule.outcome(status)
        if schedule.hopeless(status):
            self._die("UndeliverableDueToClientError")
        elif self.attempts >= schedule.ATTEMPTS:
            self._die("MaxDeliveryAttemptsExceeded")
        else:
            self.due = min(now + schedule.delay(self.attempts, status) / speed, self._expires(speed))

    def expire(self, now: float, speed: float) -> None:
        """Gives it up if its time is over."""
        if now >= self._expires(speed):
            self._die("TimeToLiveExceeded")

    def _expires(self, speed: float) -> float:
        return self.published + schedule.LIFETIME / speed

    def _die(self, reason: str) -> None:
        self.state, self.reason = "dead", reason

    def shown(self) -> Json:
        """As the control API lists it."""
        return {
            "subscription": self.subscription,
            "state": self.state,
            "attempts": self.attempts,
            "outcome": self.outcome,
            "due": self.due if self.state == "waiting" else None,
        }

    def dead_letter(self, schema: Schema) -> Json:
        """The event with what became of it, as it stands in a dead-letter container."""
        letter = {
            "deadLetterReason": self.reason,
            "deliveryAttempts": self.attempts,
            "lastDeliveryOutcome": self.outcome,
            "publishTime": instant(self.published),
            "lastDeliveryAttemptTime": None if self.attempted is None else instant(self.attempted),
        }
        named = letter if schema == "EventGridSchema" else {name.lower(): value for name, value in letter.items()}
        return {**self.event.written(schema), **named}


@dataclass(slots=True)
class Waiting:
    """The deliveries of one subscription that are still to be made: the earliest first, those due together in their order."""

    _heap: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _count: int = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._heap)

    def put(self, delivery: Delivery) -> None:
        """One more."""
        self._count += 1
        heapq.heappush(self._heap, (delivery.due, self._count, delivery))

    def is_due(self, now: float) -> bool:
        """Whether there is one to be made."""
        return bool(self._heap) and self._heap[0][0] <= now

    def take(self, now: float, most: int) -> list[Delivery]:
        """Those that are due, at most so many; they are no longer here."""
        taken: list[Delivery] = []
        while len(taken) < most and self.is_due(now):
            taken.append(heapq.heappop(self._heap)[2])
        return taken
