"""One end is told once, whatever the order in which two living workers make their calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.revoke import revoke
from shared.core.audit import AuditEvent
from shared.core.lease import State
from tests.broker.scenes import issued, stored
from tests.fakes.calls import Calls
from tests.fakes.world import ADMINISTRATOR, World, request, role, secret_target, world

_MOST = 14
"""Calls of one worker: more than any of the two makes before its last."""
_SLOT, _PHASE = 0.001, 0.1

type Work = Callable[[World], Awaitable[object]]

_worker: ContextVar[str] = ContextVar("worker", default="")


@dataclass(slots=True)
class Order:
    """The first makes so many calls, then the second so many, the first again so many, the second its rest, the first its own.

    All of it takes a second of virtual time, far less than a hold lasts.
    """

    first: int
    second: int
    again: int
    made: Counter[str] = field(default_factory=Counter)

    def slot(self, worker: str) -> float:
        """When the worker's next call is made."""
        self.made[worker] += 1
        number = self.made[worker]
        return self._phase(worker, number) * _PHASE + number * _SLOT

    def _phase(self, worker: str, number: int) -> int:
        if worker == "second":
            return 1 if number <= self.second else 3
        return 0 if number <= self.first else 2 if number <= self.first + self.again else 4


async def revoking(made: World) -> None:
    """The holder's own."""
    await revoke(made.ports, request(), stored(made).id)


async def forcing(made: World) -> None:
    """An administrator's, at the same time."""
    await revoke(made.ports, request(ADMINISTRATOR), stored(made).id)


async def sweeping(made: World) -> None:
    """The timer's."""
    await sweep(made.ports, "sweep")


def in_order(monkeypatch: pytest.MonkeyPatch, order: Order) -> None:
    """Lets each call wait for its slot."""
    plain = Calls.through
    began: list[float] = []

    async def through(self: Calls, name: str, effect: Callable[[], Any], *about: object) -> Any:
        worker = _worker.get()
        if worker:
            began.append(self.clock.monotonic())
            await self.clock.sleep(max(0.0, began[0] + order.slot(worker) - self.clock.monotonic()))
        return await plain(self, name, effect, *about)

    monkeypatch.setattr(Calls, "through", through)


async def side_by_side(made: World, one: Work, other: Work) -> None:
    """Two living workers."""

    async def alive(name: str, work: Work) -> None:
        _worker.set(name)
        await work(made)

    await asyncio.gather(asyncio.create_task(alive("first", one)), asyncio.create_task(alive("second", other)))


def ends(made: World) -> list[AuditEvent]:
    """What the trail says of ends that are done."""
    return [event for event in made.audit.events if (event.operation, event.outcome.value) == ("end", "done")]


@pytest.mark.parametrize("again", [0, 1, 3])
@pytest.mark.parametrize("others", [(revoking, forcing), (revoking, sweeping), (sweeping, revoking), (sweeping, sweeping)])
def test_two_workers_end_a_lease_and_tell_it_once(
    monkeypatch: pytest.MonkeyPatch, others: tuple[Work, Work], again: int
) -> None:
    """In every order of their calls; and what is told as done has been done by who tells it."""
    kind = {"revoked": 300, "swept": 901}
    for first, second in product(range(_MOST), repeat=2):
        made = world(role(secret_target(), ttl=900))
        made.run(lambda made=made: issued(made))  # type: ignore[misc]
        made.clock.jump(kind["swept"] if sweeping in others else kind["revoked"])
        with monkeypatch.context() as patch:
            in_order(patch, Order(first, second, again))
            made.run(lambda made=made: side_by_side(made, *others))  # type: ignore[misc]
        assert State.ENDED is stored(made).state
        assert (1, []) == (len(ends(made)), made.leftovers()), (first, second)


def test_a_worker_that_stood_still_does_not_tell_what_another_has_told() -> None:
    """At whatever call before its own telling it stood still for longer than its hold: a sweep has ended it meanwhile."""
    struck = set()
    for ordinal in range(1, _MOST):
        made = world(role(secret_target()))
        made.run(lambda made=made: issued(made))  # type: ignore[misc]
        made.clock.jump(300)

        async def frozen(made: World = made) -> None:
            made.clock.jump(25)
            await sweeping(made)

        before = len(made.calls.made)
        made.calls.meanwhile(before + ordinal, frozen)
        made.run(lambda made=made: revoking(made))  # type: ignore[misc]
        made.clock.jump(400)
        made.run(lambda made=made: sweeping(made))  # type: ignore[misc]
        call = made.calls.made[before + ordinal - 1]
        struck.add(call.name)
        assert State.ENDED is stored(made).state
        if any(isinstance(each, AuditEvent) and each.operation == "end" for each in call.about):
            break
        assert 1 == len(ends(made)), (ordinal, call.name)
    assert struck >= {"leases.get", "leases.swap", "audit.record", "applications.remove_secret"}
