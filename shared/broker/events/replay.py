"""Putting events back on the queue that were given up."""

from __future__ import annotations

from shared.broker.ports import Actor, Ports
from shared.core.events.event import decoded
from shared.core.names import Unparsable
from shared.core.ports.event_counts import Counted
from shared.core.ports.queue import Aside
from shared.resilience.tasks import all_of

MOST = 1000
_AT_ONCE = 32


async def replay(ports: Ports, actor: Actor) -> int:
    """Puts up to ``MOST`` events back, as if each were first seen now. Returns how many.

    Each is put on the queue before it is taken from those that were given up: if the worker dies in between, it is there
    twice, and acted on once. Raises ``Upstream``.
    """
    count, until = 0, ports.within(ports.timing.asked_sweep)
    while count < MOST and ports.clock.monotonic() < until:
        taken = await ports.events.take_aside(min(_AT_ONCE, MOST - count))
        if not taken:
            break
        count += sum(await all_of(*(_put_back(ports, each) for each in taken)))
    await ports.audit.record(actor.done(ports, "replay", reason=f"{count} events"))
    return count


async def _put_back(ports: Ports, aside: Aside) -> int:
    try:
        event = decoded(aside.text, ports.now())
    except Unparsable:
        await ports.event_counts.add(Counted.DROPPED)
        await ports.events.forget_aside(aside)
        return 0
    await ports.events.send(event.anew(ports.now()))
    await ports.events.forget_aside(aside)
    return 1
