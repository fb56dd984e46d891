"""Verbs that are cancelled: a sample of the walk that ``make schedules`` makes after every step; defects that it notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.leased_callers import Admission
from shared.core.application_lock import LockRecord
from shared.core.names import LeaseId, ObjectId
from shared.issuers.application_secret.lock import ApplicationLock, _Waiters
from shared.resilience.single_flight import SingleFlight
from tests.crash.alternating import by_turns
from tests.crash.cancelling import cancellable, each_call_once, every_step, run, walk
from tests.crash.conftest import replicating
from tests.crash.crowds import CROWDS, Crowd, issuing_within_a_limit, walk_crowd
from tests.crash.operations import Operation
from tests.fakes.world import BOB, WEB, Replicas, World, world

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
"""Of work that had not begun when its task was cancelled."""

OPERATIONS = dict(cancellable())

type Report = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def replicas() -> Iterator[Replicas]:
    """What the next caller takes is compared: Azure replicates at once."""
    yield from replicating("none")


@pytest.mark.parametrize(
    ("place", "operation"), [pytest.param(place, each, id=name) for place, (name, each) in enumerate(OPERATIONS.items())]
)
def test_a_verb_that_is_cancelled_leaves_no_more_than_a_death_and_its_worker_as_it_was(
    place: int, operation: Operation, record_property: Report
) -> None:
    """At every third of its calls, by turns, on the request's way or on the answer's."""
    cases = walk(operation, lambda course: by_turns(each_call_once(course), place))
    record_property("cases", cases)
    assert cases > 0


_KEPT = ["message, service principal", "issue, application secret", "repeat, service principal"]


@pytest.mark.parametrize("name", _KEPT)
def test_a_verb_that_is_cancelled_amid_a_renewal_leaves_nothing_running(name: str, record_property: Report) -> None:
    """Calls last for seconds: meanwhile a hold is renewed, or a turn, and of a sweep's hands some have begun."""
    record_property("cases", walk(OPERATIONS[name], lambda course: every_step(course)[::11], latency=4.0))


@pytest.mark.parametrize("name", ["issue, application secret", "repeat, service principal", "sweep, application secret"])
def test_a_host_that_drains_leaves_no_more_than_a_death(name: str, record_property: Report) -> None:
    """All tasks of the worker are cancelled at once, those that keep a lease or a turn as well."""
    record_property("cases", walk(OPERATIONS[name], each_call_once, drains=True))


@pytest.mark.parametrize("make", CROWDS)
def test_who_hangs_up_in_a_crowd_keeps_nobody_waiting(make: Callable[[], Crowd], record_property: Report) -> None:
    """In line for a lock, a turn, a budget, or waiting for work that is done once for all."""
    cases = walk_crowd(make, stride=47 if make is issuing_within_a_limit else 1)
    record_property("cases", cases)
    assert cases > 0


def test_a_caller_that_is_gone_before_it_is_refused_leaves_no_failure_unheard() -> None:
    """Its admission is looked up beside the first read, and nobody asks what became of it."""

    def leased() -> World:
        made = world()
        made.leased.rows[BOB.object_id] = LeaseId.of(WEB, made.ids.ulid(made.clock.now()))
        return made

    async def entering(world: World) -> None:
        admitted = Admission(world.ports.leased, BOB)
        await world.ports.roles.get(WEB)
        await admitted.granted()

    for step in every_step(run(leased(), entering)):
        run(leased(), entering, step)


# Defects: each is put in the place of what stands there, and a walk must notice it.


async def _takes_and_forgets(taking: ApplicationLock, lock: LockRecord, former: LockRecord | None) -> LockRecord:
    return await taking.locks.take(lock, former=former)


async def _keeps_the_line(taking: ApplicationLock, line: _Waiters, deadline: float) -> bool:
    acquiring = asyncio.ensure_future(line.lock.acquire())
    alarm = asyncio.ensure_future(taking.clock.sleep(deadline - taking.clock.monotonic()))
    await asyncio.wait({acquiring, alarm}, return_when=asyncio.FIRST_COMPLETED)
    alarm.cancel()
    return acquiring.done()


@asynccontextmanager
async def _never_gives_back(taking: ApplicationLock, application_id: ObjectId, *, deadline: float) -> AsyncIterator[None]:
    lock = await taking._acquire(application_id, deadline)
    yield
    await taking.locks.release(lock)


async def _stops_only_at_the_end(lock: LeaseLock, kind: type[BaseException] | None, *_: object) -> None:
    if kind is not asyncio.CancelledError:
        await lock._stop()


async def _stops_for_all(flight: SingleFlight[object]) -> object:
    return await flight._started()


_DEFECTS: dict[str, tuple[type, str, object, Callable[[], object]]] = {
    "a turn that was being taken is kept": (
        ApplicationLock,
        "_take",
        _takes_and_forgets,
        lambda: walk(OPERATIONS["issue, application secret"], every_step),
    ),
    "a turn is not given back": (
        ApplicationLock,
        "holding",
        _never_gives_back,
        lambda: walk(OPERATIONS["revoke, application secret"], each_call_once),
    ),
    "a place in line is kept": (ApplicationLock, "_waited", _keeps_the_line, lambda: walk_crowd(CROWDS[0])),
    "a hold goes on": (
        LeaseLock,
        "__aexit__",
        _stops_only_at_the_end,
        lambda: walk(OPERATIONS["issue, service principal"], each_call_once),
    ),
    "shared work ends with whoever asked": (SingleFlight, "outcome", _stops_for_all, lambda: walk_crowd(CROWDS[2])),
}


@pytest.mark.parametrize("what", _DEFECTS)
def test_the_walk_notices(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that lives on with a lock, a turn or a task of a verb that was cancelled."""
    where, name, defect, walking = _DEFECTS[what]
    monkeypatch.setattr(where, name, defect)
    with pytest.raises(AssertionError):
        walking()
