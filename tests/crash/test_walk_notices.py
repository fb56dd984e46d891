"""Tests of the walk itself: a broker that did things in the wrong order would not get past it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from shared.core.errors import LostRace
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Lease
from shared.core.names import LeaseId
from shared.core.outgoing.event import OutgoingEvent
from tests.crash.test_races import done_while_interrupted
from tests.crash.walk import FaultAt, Scenario, faults, length, require_nothing_left, require_owned, strike
from tests.fakes.calls import Calls, Died
from tests.fakes.leases import MemoryLeases
from tests.fakes.world import World
from tests.support.operations import TARGETS, Action, fresh, issuing, issuing_once, renewing, revoking_all, with_answer_lost


class OpensLate(MemoryLeases):
    """Stores a lease no earlier than at its first change, when its objects have been made: effect before row."""

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        self._unwritten: dict[LeaseId, IdempotencyKey | None] = {}

    async def open(self, lease: Lease, key: IdempotencyKey | None = None) -> Lease:
        """Only promises to."""
        self._unwritten[lease.id] = key
        return lease

    async def swap(self, lease: Lease, *, former: Lease, events: Sequence[OutgoingEvent] = ()) -> Lease:
        """See the port."""
        if former.id not in self._unwritten:
            return await super().swap(lease, former=former, events=events)
        return await super().open(lease, self._unwritten.pop(former.id))


def swapped(kind: str) -> World:
    """A world whose broker writes a lease down after it has minted."""
    made = fresh(TARGETS[kind])
    made.leases = OpensLate(made.calls)
    made.ports = replace(made.ports, leases=made.leases)
    return made


def leaks(scenario: Scenario) -> list[FaultAt]:
    """The blows after which the walk finds something without a live lease."""
    found = []
    for fault in faults(scenario):
        world = scenario.make()
        strike(world, scenario.action, fault, Died())
        with suppress(AssertionError):
            require_owned(world)
            require_nothing_left(world)
            continue
        found.append(fault)
    return found


@pytest.mark.parametrize("kind", TARGETS)
def test_the_walk_fails_when_effects_come_before_the_row(kind: str) -> None:
    """With the order swapped deliberately a worker's death leaves orphans, and the walk says so; as it is, it finds none."""
    right = leaks(Scenario("issue", lambda: fresh(TARGETS[kind]), issuing))
    wrong = leaks(Scenario("issue", lambda: swapped(kind), issuing))
    assert [] == right
    assert wrong, "the walk has not noticed"


def test_the_swapped_broker_works_as_long_as_nobody_dies() -> None:
    """So nothing but the walk would tell."""
    world = swapped("service principal")
    world.run(lambda: issuing(world))
    require_owned(world)
    world.clock.jump(301)
    require_nothing_left(world)


def _overwrites(leases: MemoryLeases, lease: Lease) -> None:
    if lease.id not in leases.rows:
        raise LostRace


@pytest.mark.parametrize("action", [renewing, issuing_once])
def test_the_walk_fails_when_a_store_takes_every_write(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever version it names: nothing leaks, and a revoked lease is active again, as the model does not allow."""
    met_at_each_call(action)
    monkeypatch.setattr(MemoryLeases, "_require_unchanged", _overwrites)
    with pytest.raises(AssertionError, match=r"no order of these fits|and not"):
        met_at_each_call(action)


def met_at_each_call(action: Action) -> None:
    """A lease is revoked amid the operation."""
    scenario = Scenario("meeting", lambda: with_answer_lost(TARGETS["service principal"], age=60), action)
    for ordinal in range(1, length(scenario) + 1):
        done_while_interrupted(scenario, ordinal, revoking_all)
