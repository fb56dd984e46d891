"""The courier: takes what is due, brings it to its destination, and notes what came of it.

Each subscription is served by itself, one call after the other: a destination that does not answer delays no other, and what
arrives when follows from the seed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import TYPE_CHECKING

from local.cloud.event_grid import webhooks
from local.cloud.event_grid.destinations import Answer
from local.cloud.event_grid.grid import Grid
from local.cloud.event_grid.subscriptions import Queue, Webhook

if TYPE_CHECKING:
    from local.cloud.event_grid.deliveries import Delivery
    from local.cloud.event_grid.destinations import Destinations
    from local.cloud.event_grid.grid import Subscribed
    from local.cloud.event_grid.subscriptions import Subscription
    from local.cloud.local_azure import LocalAzure

_LOOKS = 0.02
"""Seconds between two looks at the clock, which anybody may move, while something waits."""
MOST_IN_MESSAGE = 64 * 1024
"""Octets of a queue's message as it is stored: in base64."""
_TOO_LARGE = 413
_LOG = logging.getLogger(__name__)


async def serve(world: LocalAzure, destinations: Destinations) -> None:
    """Delivers until it is cancelled. It sleeps as long as nothing waits."""
    grid, serving = world.of(Grid), dict[str, asyncio.Task[None]]()
    async with asyncio.TaskGroup() as lanes:
        while True:
            grid.stirred.clear()
            for name, each in grid.subscriptions.items():
                if _has_work(world, each) and (name not in serving or serving[name].done()):
                    serving[name] = lanes.create_task(_lane(world, each, destinations))
            busy = _anything_waits(grid) or not all(task.done() for task in serving.values())
            await (asyncio.sleep(_LOOKS) if busy else grid.stirred.wait())


async def attend(world: LocalAzure, each: Subscribed, destinations: Destinations) -> None:
    """Does for one subscription all that is due by now."""
    if each.subscription.state == "Creating":
        await _shake_hands(world, each, destinations)
    while each.subscription.state == "Succeeded" and each.waiting.is_due(world.clock.now()):
        await _deliver(world, each, destinations)


async def _lane(world: LocalAzure, each: Subscribed, destinations: Destinations) -> None:
    try:
        await attend(world, each, destinations)
    except Exception:  # noqa: BLE001 - a fault of ours ends no other subscription's deliveries
        _LOG.exception("delivery to the subscription %s failed in the local cloud itself", each.subscription.name)
        each.subscription.state = "Failed"


def _has_work(world: LocalAzure, each: Subscribed) -> bool:
    state = each.subscription.state
    return state == "Creating" or (state == "Succeeded" and each.waiting.is_due(world.clock.now()))


def _anything_waits(grid: Grid) -> bool:
    return any(len(each.waiting) and each.subscription.state != "Failed" for each in grid.subscriptions.values())


async def _shake_hands(world: LocalAzure, each: Subscribed, destinations: Destinations) -> None:
    """A queue needs none."""
    held = each.subscription
    if isinstance(held.destination, Queue):
        held.state = "Succeeded"
        return
    topic = world.of(Grid).topics[held.topic]
    agreed = await webhooks.consents(world, topic, held, held.destination, destinations)
    held.state = "Succeeded" if agreed else "Failed"


async def _deliver(world: LocalAzure, each: Subscribed, destinations: Destinations) -> None:
    held, speed = each.subscription, world.consistency.speed
    most = held.destination.most if isinstance(held.destination, Webhook) else 1
    taken = each.waiting.take(world.clock.now(), most)
    for delivery in taken:
        delivery.expire(world.clock.now(), speed)
    alive = [delivery for delivery in taken if delivery.state == "waiting"]
    if alive:
        answer = await _bring(world, held, destinations, alive)
        for delivery in alive:
            delivery.attempted_at(world.clock.now(), answer.status, speed)
    for delivery in taken:
        _put_away(each, delivery)


async def _bring(world: LocalAzure, held: Subscription, destinations: Destinations, deliveries: list[Delivery]) -> Answer:
    if isinstance(held.destination, Webhook):
        return await webhooks.deliver(world, held, held.destination, destinations, deliveries)
    event = json.dumps(deliveries[0].event.written(held.schema), separators=(",", ":"))
    text = base64.b64encode(event.encode()).decode()
    return Answer(_TOO_LARGE) if len(text) > MOST_IN_MESSAGE else await destinations.enqueue(held.destination.name, text)


def _put_away(each: Subscribed, delivery: Delivery) -> None:
    if delivery.state == "waiting":
        each.waiting.put(delivery)
    elif delivery.state == "delivered":
        each.delivered += 1
    else:
        each.dead.append(delivery)
