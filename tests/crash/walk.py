"""Walks: the same operation again and again, struck at each of its calls to the outside in turn; then what must hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from shared.core.delivery import Delivery
from shared.core.errors import LeaseholdError, LostRace
from shared.core.lease import State
from tests.crash.promised import require_promised
from tests.fakes.calls import Died
from tests.fakes.cloud_state import Thing
from tests.fakes.world import World
from tests.model.judge import Answer, answer_of, start_of
from tests.support.deliveries import delivering_by
from tests.support.full import IS_FULL
from tests.support.kinds import names_in
from tests.support.operations import Action, sweeping

_TOO_MANY = 40
"""Sweeps after which something that is still there is never going to vanish."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``make`` gives a new world each time, always the same; ``action`` is what is struck."""

    name: str
    make: Callable[[], World]
    action: Action

    def delivered(self, how: str, delivery: Delivery) -> Scenario:
        """The same where the role's leases are put into a vault."""

        def make() -> World:
            with delivering_by(delivery):
                return self.make()

        return Scenario(f"{self.name}, {how}", make, self.action)


@dataclass(frozen=True, slots=True)
class FaultAt:
    """Where a walk strikes: the call of that number since the operation began, before or after it takes effect."""

    ordinal: int
    after: bool


def length(scenario: Scenario) -> int:
    """How many calls to the outside the undisturbed operation makes."""
    world = scenario.make()
    before = len(world.calls.made)
    world.run(lambda: live(world, scenario.action))
    return len(world.calls.made) - before


def faults(scenario: Scenario) -> Iterator[FaultAt]:
    """Each call, before and after."""
    for ordinal in range(1, length(scenario) + 1):
        yield FaultAt(ordinal, after=False)
        yield FaultAt(ordinal, after=True)


def deaths(scenario: Scenario) -> Iterator[FaultAt]:
    """Each call, after; and before, with ``WALKS=full``. Before a call is nearly as after the one before it."""
    yield from (each for each in faults(scenario) if each.after or IS_FULL)


def strike(world: World, action: Action, fault: FaultAt, error: BaseException) -> Answer:
    """Does the operation, struck there; the worker that survives goes on to its end.

    What it was answered, and what is there, is what the model allows.
    """
    start = start_of(world)
    world.calls.fail_at(len(world.calls.made) + fault.ordinal, error, after=fault.after)
    answer = Answer(died=True)
    with suppress(Died):
        answer = world.run(lambda: answer_of(action, world))
    world.calls.revive()
    require_promised(world, start, [action], [answer], failing=True)
    return answer


async def live(world: World, action: Action) -> None:
    """An operation that is refused or fails has still come to its end. A lost race is the broker's own affair."""
    try:
        await action(world)
    except LostRace:
        raise AssertionError("a lost race left the broker") from None
    except LeaseholdError:
        return


def walked(scenario: Scenario, error: Callable[[], BaseException], *, also_after: bool = True) -> int:
    """The operation struck at each of its calls: nothing is unowned after it, nothing left in the end. Returns the cases."""
    count = 0
    for fault in faults(scenario):
        if fault.after and not also_after:
            continue
        world = scenario.make()
        strike(world, scenario.action, fault, error())
        require_owned(world)
        require_nothing_left(world)
        count += 1
    return count


def sweep_once(world: World) -> None:
    """One sweep by a new worker, however it ends."""
    world.run(lambda: live(world, sweeping))


def require_owned(world: World) -> None:
    """No object is in Azure without a lease that has not ended and whose footprint names it."""
    live = [lease for lease in world.leases.rows.values() if lease.state.is_live]
    named = {name for lease in live for part in lease.left.values() for name in names_in(world.ports.kinds, part)}
    orphans = [thing for thing in world.leftovers() if thing.owner not in named]
    assert [] == orphans, f"without a live lease: {orphans}"


def settle(world: World, *, pause: float = 60.0) -> int:
    """Sweeps each minute, and looks after each, until every lease has ended; gives how many sweeps that took."""
    for count in range(1, _TOO_MANY):
        world.clock.jump(pause)
        sweep_once(world)
        require_owned(world)
        if all(lease.state is State.ENDED for lease in world.leases.rows.values()):
            return count
    raise AssertionError(f"never ends: {list(world.leases.rows.values())}")


def require_nothing_left(world: World) -> None:
    """Every lease has ended and nothing is left in Azure."""
    settle(world)
    assert list[Thing]() == world.leftovers()


async def side_by_side(*work: Awaitable[object]) -> None:
    """All of it at once; what is refused has come to its end."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, LeaseholdError):
            raise result
