"""Events out: how fast the outbox is drained, and what a sweep costs that finds none due although events are on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.broker.ending.sweep import sweep
from shared.broker.ports import Ports
from shared.broker.telling.telling import telling
from shared.core.lease import Cause
from shared.core.names import LeaseId, RoleName
from shared.wiring.root import Composition
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.crowd import active_lease
from tests.bench.figures import Figure, Target
from tests.bench.outgoing import watched

TITLE = "Events out (a topic that answers each batch after 50 ms)"
_ROLE = "told"
_ANSWER = 0.05
"""Seconds of the topic. A topic in the broker's region takes about as long."""
_AT_ONCE = 32
_LEAST = 500.0
"""Events that are to be drained each second."""


@dataclass(slots=True)
class _Topic:
    """Satisfies ``Publisher``."""

    taken: int = 0

    async def publish(self, events: Sequence[str], *, deadline: float) -> None:  # noqa: ARG002 - it never fails
        """Takes them."""
        await asyncio.sleep(_ANSWER)
        self.taken += len(events)


async def measure(scale: Scale) -> list[Figure]:
    """Ends leases on a storage account in this process, each told by an event, and sweeps."""
    async with bench_stack(spare_accounts=2) as on:
        off, publishing = (_parts(on, f"spare{number}") for number in range(2))
        async with off.storage.tables, publishing.storage.tables:
            without = await _idle(off.ports)
            topic = _Topic()
            ports = _publishing(publishing.ports, topic)
            drained = await _drained(ports, topic, scale.events)
            idle = await _idle(ports)
    return [
        Figure(f"outbox drained, of {scale.events:,} events", drained, "events/s", Target(">=", _LEAST)),
        Figure("idle sweep without events: requests", without, "requests"),
        Figure("idle sweep with events on: requests", idle, "requests", Target("=", without)),
    ]


def _parts(on: BenchStack, account: str) -> Composition:
    return Composition(on.stack.environment() | {"AzureWebJobsStorage": on.stack.storage.connect(account)})


def _publishing(ports: Ports, topic: _Topic) -> Ports:
    return replace(ports, leases=telling(ports.leases, ports.kinds, ports.clock, ports.ids), publisher=topic)


async def _idle(ports: Ports) -> int:
    await sweep(ports, "benchmark")
    with watched() as seen:
        await sweep(ports, "benchmark")
        return len(seen.intervals)


async def _drained(ports: Ports, topic: _Topic, count: int) -> float:
    """Events a second, of sweeps one after the other that find nothing else due."""
    for _ in range(0, count, _AT_ONCE):
        await asyncio.gather(*(_ended(ports) for _ in range(_AT_ONCE)))
    total, began = -(-count // _AT_ONCE) * _AT_ONCE, time.perf_counter()
    while topic.taken < total:
        before = topic.taken
        await sweep(ports, "benchmark")
        if topic.taken == before:
            raise NotMeasuredError(f"{topic.taken} events were published, of {total}")
    return total / (time.perf_counter() - began)


async def _ended(ports: Ports) -> None:
    """A lease that ends, as the worker stores it that has undone it."""
    now = ports.now()
    lease = active_lease(LeaseId.of(RoleName(_ROLE), ports.ids.ulid(now)), ports)
    ending = await ports.leases.open(replace(lease, told=True).ending(Cause.REVOKED, now, now))
    await ports.leases.swap(ending.ended(now, timedelta(days=7)), former=ending)
