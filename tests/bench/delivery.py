"""Deliveries and events: how soon a secret lies in a vault, what that costs, and how events of the broker's own are published.

``delivered`` measures what comes in and lies in vaults, ``topic_down`` a topic that is away. Here: how fast the outbox is
drained, and what a sweep costs that finds nothing due although everything is on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.broker.ending.sweep import sweep
from shared.broker.ports import Ports
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.names import LeaseId, RoleName
from shared.core.ports.documents import ABSENT
from shared.issuers.key_vault_secret.footprint import VaultSecretFootprint
from shared.wiring.root import Composition
from tests.bench import delivered, topic_down
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.crowd import active_lease
from tests.bench.figures import Figure, Target
from tests.bench.outgoing import watched
from tests.broker.events.scenes import document
from tests.fakes.world import BOB

TITLE = "Deliveries and events (no replication delays; the outbox is drained to a topic that answers each batch after 50 ms)"
_ON = {
    "LEASEHOLD_EVENT_TOPIC": "https://leasehold.westeurope-1.eventgrid.azure.net/api/events",
    "LEASEHOLD_EVENT_WEBHOOK": "on",
}
_ANSWER = 0.05
"""Seconds of the topic. A topic in the broker's region takes about as long."""
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
    """Whatever needs a quiet machine first."""
    return [*await delivered.measure(scale), *await _outbox(scale), *await topic_down.measure(scale)]


async def _outbox(scale: Scale) -> list[Figure]:
    """Ends leases on a storage account in this process, each told by an event, and sweeps."""
    async with bench_stack(spare_accounts=2) as on:
        off, publishing = _parts(on, "spare0", {}), _parts(on, "spare1", _ON)
        async with off.storage.tables, publishing.storage.tables:
            without = await _idle(off.ports)
            drained = await _drained(publishing.ports, scale.events)
            await _furnish(publishing.ports)
            idle = await _idle(publishing.ports)
    return [
        Figure(f"outbox drained, of {scale.events:,} events", drained, "events/s", Target(">=", _LEAST)),
        Figure("idle sweep, nothing on: requests", without, "requests"),
        Figure(
            "idle sweep, with a topic, the webhook, an event rule and a delivered lease: requests",
            idle,
            "requests",
            Target("=", without),
        ),
    ]


def _parts(on: BenchStack, account: str, settings: Mapping[str, str]) -> Composition:
    storage = {"AzureWebJobsStorage": on.stack.storage.connect(account)}
    return Composition({**on.stack.environment(), **storage, **settings})


async def _furnish(ports: Ports) -> None:
    """An event rule, and an active lease that is delivered."""
    await ports.event_rules.put(read_event_rule("sites", document(), Lender.of(BOB)), expected=ABSENT)
    lease = active_lease(LeaseId.of(RoleName("delivered"), ports.ids.ulid(ports.now())), ports)
    secret = VaultSecretFootprint(lease.id, delivered.VAULT, f"lh-{lease.id.ulid}", version="0" * 32)
    await ports.leases.open(replace(lease, parts=(*lease.parts, secret), told=True))


async def _idle(ports: Ports) -> int:
    await sweep(ports, "benchmark")
    with watched() as seen:
        await sweep(ports, "benchmark")
        return len(seen.intervals)


async def _drained(ports: Ports, count: int) -> float:
    """Events a second, of sweeps one after the other that find nothing else due."""
    topic = _Topic()
    ports = replace(ports, publisher=topic)
    total = len(await topic_down.end_many(ports, count))
    began = time.perf_counter()
    while topic.taken < total:
        before = topic.taken
        await sweep(ports, "benchmark")
        if topic.taken == before:
            raise NotMeasuredError(f"{topic.taken} events were published, of {total}")
    return total / (time.perf_counter() - began)
