"""At least once, in no order: duplicates and lateness, by seed."""

from __future__ import annotations

from typing import Any

from tests.local.event_grid.calls import CLOUD, Events

IDS = [str(number) for number in range(40)]


async def _arrivals(events: Events, **options: Any) -> list[str]:
    sender = events.sender(events.topic())
    events.subscribe(**options)
    events.publish([{**CLOUD, "id": each} for each in IDS], sender)
    for _ in range(41):
        await events.deliver(0.05)
    return [each["id"] for each in events.destinations.messages["events"]]


async def test_with_a_seed_events_come_out_of_order(events: Events) -> None:
    """All of them, within two seconds."""
    found = await _arrivals(events, seed=1)
    assert found != IDS
    assert sorted(IDS) == sorted(found)


async def test_the_order_follows_from_the_seed() -> None:
    """The same seed, the same order."""
    first, again, other = [await _arrivals(Events(), seed=seed) for seed in (1, 1, 2)]
    assert first == again != other


async def test_some_events_come_twice(events: Events) -> None:
    """As likely as asked for, each as a delivery of its own."""
    found = await _arrivals(events, duplicates=0.5, seed=3)
    assert set(IDS) == set(found)
    assert len(IDS) * 1.2 < len(found) < len(IDS) * 1.8
    assert len(found) == sum(len(each["deliveries"]) for each in events.shown("shop"))


async def test_every_event_may_come_twice(events: Events) -> None:
    """Without a seed one after the other."""
    assert [each for each in IDS for _ in range(2)] == await _arrivals(events, duplicates=1)


async def test_lateness_goes_by_the_stacks_speed(events: Events) -> None:
    """Twenty times as fast, all are there after a tenth of a second."""
    events.azure.world.consistency.configure("none", speed=20)
    sender = events.sender(events.topic())
    events.subscribe(seed=1)
    events.publish([{**CLOUD, "id": each} for each in IDS], sender)
    await events.deliver(0.1)
    assert len(IDS) == len(events.destinations.messages["events"])
