"""Subscriptions: which events of a topic go where, in which schema."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from local.cloud.event_grid.events import Event, Schema

type State = Literal["Creating", "Succeeded", "Failed"]
"""``Failed``: the webhook did not consent, and nothing is delivered."""
_LATEST = 2.0
"""Seconds that an event may be late where order is not kept."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the stack's storage account."""

    name: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes POST; with an audience, a token of Event Grid's own comes with each call."""

    url: str
    audience: str | None = None
    most: int = 1
    """Events in one call."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What all must hold of an event: https://learn.microsoft.com/azure/event-grid/event-filtering. Case does not matter."""

    types: tuple[str, ...] = ()
    subject_begins_with: str = ""
    operations: tuple[str, ...] = ()
    """The values of the advanced filter ``StringIn`` on ``data.operationName``."""

    def takes(self, event: Event) -> bool:
        """Whether the event passes."""
        return (
            _is_among(event.type, self.types)
            and (event.subject or "").casefold().startswith(self.subject_begins_with.casefold())
            and (not self.operations or _is_among(_operation(event), self.operations))
        )


@dataclass(slots=True)
class Subscription:
    """One subscription of a topic."""

    name: str
    topic: str
    schema: Schema
    destination: Queue | Webhook
    filter: Filter = field(default_factory=Filter)
    duplicates: float = 0.0
    """How likely an event is delivered once more."""
    seed: int | None = None
    """With a seed, events come late and out of order."""
    state: State = "Creating"
    _chance: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """What is delivered twice and how late follows from seed and name alone."""
        self._chance = random.Random(f"{self.seed or 0} {self.name}")

    def lateness(self) -> list[float]:
        """For each time that the next event is delivered, how many seconds after it was published."""
        times = 2 if self._chance.random() < self.duplicates else 1
        return [0.0 if self.seed is None else self._chance.uniform(0.0, _LATEST) for _ in range(times)]


def _operation(event: Event) -> str:
    data = event.data.get("data")
    return str(data.get("operationName", "")) if isinstance(data, dict) else ""


def _is_among(value: str, values: tuple[str, ...]) -> bool:
    return not values or value.casefold() in {each.casefold() for each in values}
