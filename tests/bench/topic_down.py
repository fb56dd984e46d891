"""A topic that is down for two hours while leases end: what callers notice, and whether every end is told afterwards."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.broker.ending.sweep import sweep
from shared.broker.ports import Ports
from shared.cloud.system import SystemClock
from shared.core.errors import Unreachable
from shared.core.lease import Cause
from shared.core.names import LeaseId, RoleName
from shared.core.outgoing.event import EventType
from shared.wiring.root import Composition
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.crowd import active_lease
from tests.bench.figures import Figure, Target, percentile

_TOPIC = {"LEASEHOLD_EVENT_TOPIC": "https://leasehold.westeurope-1.eventgrid.azure.net/api/events"}
_DOWN = {"service": "event_grid", "times": None, "effect": "timeout"}
_EVERY_MINUTE = "0 * * * * *"
"""The host's sweeps, as in a deployment."""
_CALLERS, _TOLD = "callers", "told"
_WARM_UP = 20
_APART = 0.4
"""Seconds between the beginnings of two issues: three hundred meet two sweeps, and wait for no rate limiter."""
_AT_ONCE = 32
_MINUTE = 60.0
_HOURS = 2
_SLOWER = 1.2
"""Times by which an issue's p95 may differ from the usual one: as much as two runs differ."""
_DRAINED_WITHIN = 60
"""Sweeps."""
_MOST = 100_000


async def measure(scale: Scale) -> list[Figure]:
    """The first minutes, in which most events are due, in real time in a host; then two hours on a clock that is set forth.

    Callers are served beside as many rows before and after all is told: more rows make the storage emulator slower.
    """
    async with bench_stack(sweep_schedule=_EVERY_MINUTE, settings=_TOPIC) as on:
        await _prepared(on)
        await on.visitor.control("POST", "faults", [_DOWN])
        clock = _SetForth()
        composition = Composition(on.stack.environment(), clock)
        async with composition.storage.tables:
            ended = await end_many(composition.ports, scale.untold)
            meanwhile = await _issued(on, scale.issues)
            await on.stack.hosts[0].stop()
            down = await _down_for_hours(composition.ports, clock)
            heard = await _told_at_last(composition.ports, clock)
        await on.visitor.control("DELETE", "faults")
        await on.stack.hosts[0].start()
        usual = await _issued(on, scale.issues)
    p95 = percentile(usual, 0.95)
    label = f"topic is down for {_HOURS} h, {len(ended):,} leases ended"
    return [
        Figure("all is told, topic answers: issue p50", percentile(usual, 0.5), "ms"),
        Figure("all is told, topic answers: issue p95", p95, "ms"),
        Figure(f"{label}: issue p50 in the first minutes", percentile(meanwhile, 0.5), "ms"),
        Figure(f"{label}: issue p95 in the first minutes", percentile(meanwhile, 0.95), "ms", Target("<=", _SLOWER * p95)),
        Figure(f"{label}: the longest sweep", max(down), "s"),
        Figure(f"{label}: ends never told", len(ended - heard.leases.keys()), "leases", Target("=", 0)),
        Figure(f"{label}: ends told twice", heard.twice(), "leases"),
        Figure("topic is back: sweeps until all is told", heard.sweeps, "sweeps"),
    ]


async def end_many(ports: Ports, count: int) -> set[LeaseId]:
    """That many leases end, each told by an event in the outbox, as the workers store it that have undone them."""
    ids = set[LeaseId]()
    for portion in itertools.batched(range(count), _AT_ONCE, strict=False):
        ids.update(await asyncio.gather(*(_ended(ports) for _ in portion)))
    return ids


async def _ended(ports: Ports) -> LeaseId:
    now = ports.now()
    lease = active_lease(LeaseId.of(RoleName(_TOLD), ports.ids.ulid(now)), ports)
    ending = await ports.leases.open(replace(lease, told=True).ending(Cause.REVOKED, now, now))
    await ports.leases.swap(ending.ended(now, timedelta(days=7)), former=ending)
    return lease.id


@dataclass(slots=True)
class _SetForth(SystemClock):
    """The machine's clock, and so much later."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        """As ``SystemClock`` has it."""
        return SystemClock.now(self) + self.by


@dataclass(slots=True)
class _Topic:
    """Satisfies ``Publisher``. Knows how often the end of each lease was told."""

    is_down: bool = True
    leases: Counter[LeaseId] = field(default_factory=Counter)
    sweeps: int = 0

    async def publish(self, events: Sequence[str], *, deadline: float) -> None:  # noqa: ARG002 - the protocol's
        """Takes them, or does not answer. Raises ``Unreachable``."""
        if self.is_down:
            raise Unreachable("the topic is down")
        for event in map(json.loads, events):
            if event["type"] == EventType.ENDED:
                self.leases[LeaseId.parse(event["data"]["lease"])] += 1

    def twice(self) -> int:
        """Leases of whose end was told more than once."""
        return sum(times > 1 for times in self.leases.values())


async def _prepared(on: BenchStack) -> None:
    """A role whose leases outlive what is measured. The sample has the topic already."""
    await on.make_role(_CALLERS, 1, 0, ttl="12h", max_ttl="12h")


async def _issued(on: BenchStack, count: int) -> list[float]:
    """Milliseconds of each issue, one after the other at a steady pace. Some that warm up are left out."""
    for _ in range(_WARM_UP):
        await on.issue(_CALLERS)
    taken = list[float]()
    for _ in range(count):
        began = time.perf_counter()
        await on.issue(_CALLERS)
        taken.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(max(0.0, _APART - taken[-1] / 1000))
    return taken


async def _down_for_hours(ports: Ports, clock: _SetForth) -> list[float]:
    """A sweep each minute. Seconds of each."""
    ports, taken = replace(ports, publisher=_Topic()), list[float]()
    # Each sweep warns.
    logging.disable(logging.WARNING)
    try:
        for _ in range(_HOURS * 60):
            began = time.perf_counter()
            await sweep(ports, "benchmark")
            taken.append(time.perf_counter() - began)
            clock.by += timedelta(seconds=max(0.0, _MINUTE - taken[-1]))
    finally:
        logging.disable(logging.NOTSET)
    return taken


async def _told_at_last(ports: Ports, clock: _SetForth) -> _Topic:
    """A sweep each minute until nothing waits."""
    topic = _Topic(is_down=False)
    ports = replace(ports, publisher=topic)
    while (await ports.outbox.waiting(ports.now() + timedelta(days=1), _MOST)).count:
        topic.sweeps += 1
        if topic.sweeps > _DRAINED_WITHIN:
            raise NotMeasuredError(f"events wait after {topic.sweeps} sweeps")
        await sweep(ports, "benchmark")
        clock.by += timedelta(seconds=_MINUTE)
    return topic
