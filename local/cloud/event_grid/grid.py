"""What Event Grid keeps: topics with their events, subscriptions with what is on its way to them."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.cloud.event_grid.deliveries import Delivery, Waiting
from local.cloud.event_grid.resource_events import of_change

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.event_grid.events import Event
    from local.cloud.event_grid.subscriptions import Subscription
    from local.cloud.event_grid.topics import Topic
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.activity import Change

MOST = 100_000
"""Events kept of each topic, to be shown; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Published:
    """An event and what became of it."""

    event: Event
    at: float
    deliveries: list[Delivery]


@dataclass(slots=True)
class Subscribed:
    """A subscription with its deliveries."""

    subscription: Subscription
    waiting: Waiting = field(default_factory=Waiting)
    delivered: int = 0
    dead: list[Delivery] = field(default_factory=list)

    def shown(self) -> Json:
        """As the control API shows it."""
        held = self.subscription
        return {
            "name": held.name,
            "topic": held.topic,
            "schema": held.schema,
            "state": held.state,
            "waiting": len(self.waiting),
            "delivered": self.delivered,
            "dead_letters": [dead.dead_letter(held.schema) for dead in self.dead],
        }


@dataclass(slots=True)
class Grid:
    """All of it, by name."""

    topics: dict[str, Topic] = field(default_factory=dict)
    events: dict[str, deque[Published]] = field(default_factory=dict)
    """By topic, oldest first."""
    subscriptions: dict[str, Subscribed] = field(default_factory=dict)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to be done that there was not before."""
    _chance: random.Random = field(default_factory=lambda: random.Random("event grid"))
    """Events draw their ids from a chance of their own: topics change nothing of what else is drawn."""

    def add_topic(self, world: LocalAzure, topic: Topic) -> None:
        """One more; a system topic listens from now on."""
        self.topics[topic.name], self.events[topic.name] = topic, deque(maxlen=MOST)
        if topic.kind == "system":
            world.activity.listeners.append(lambda change: self._heard(world, topic, change))

    def subscribe(self, subscription: Subscription) -> Subscribed:
        """One more; it gets what is published from now on."""
        made = self.subscriptions[subscription.name] = Subscribed(subscription)
        self.stirred.set()
        return made

    def publish(self, world: LocalAzure, topic: Topic, event: Event) -> None:
        """Sends an event on its way to every subscription of the topic that takes it."""
        now, speed = world.clock.now(), world.consistency.speed
        deliveries = []
        for each in self.subscriptions.values():
            held = each.subscription
            if held.topic != topic.name or held.state == "Failed" or not held.filter.takes(event):
                continue
            made = [Delivery(held.name, event, now, now + late / speed) for late in held.lateness()]
            for delivery in made:
                each.waiting.put(delivery)
            deliveries += made
        self.events[topic.name].append(Published(event, now, deliveries))
        if deliveries:
            self.stirred.set()

    def _heard(self, world: LocalAzure, topic: Topic, change: Change) -> None:
        if topic.stands(world) and topic.covers(change.resource_id):
            event_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
            self.publish(world, topic, of_change(world, topic.source, change, event_id))
