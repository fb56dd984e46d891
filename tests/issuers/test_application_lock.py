from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest

from shared.core.application_lock import LockRecord
from shared.core.errors import ConcurrentChange, LostRace, Throttled, Unreachable
from shared.issuers.application_secret.lock import IN_A_ROW, LASTS, ApplicationLock
from tests.fakes.application_locks import MemoryApplicationLocks
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import EXISTING, guid

OTHER = guid(0x999)


class Instances:
    """So many workers on one store; what they did, in order."""

    def __init__(self, count: int = 2) -> None:
        self.clock = FakeClock()
        self.calls = Calls(self.clock, latency=0.01)
        self.store = MemoryApplicationLocks(self.calls)
        self.workers = [ApplicationLock(self.store, self.clock, FixedIds(number)) for number in range(count)]
        self.order: list[str] = []
        self.inside = 0
        self.most_inside = 0

    def within(self, seconds: float) -> float:
        """A point on the monotonic clock."""
        return self.clock.monotonic() + seconds

    async def change(self, worker: int = 0, *, lasting: float = 0.5, limiter: float = 180.0, name: str = "") -> None:
        """One change of the application, in its turn."""
        async with self.workers[worker].holding(EXISTING, deadline=self.within(limiter)):
            self.order.append(name or str(worker))
            self.inside += 1
            self.most_inside = max(self.inside, self.most_inside)
            await self.clock.sleep(lasting)
            self.inside -= 1

    async def left_behind(self, *, until: float = LASTS) -> LockRecord:
        """The turn of a worker that has died."""
        lock = LockRecord(EXISTING, "dead", self.workers[0].until())
        stored = await self.store.take(lock, former=None)
        self.clock.jump(LASTS - until)
        return stored


async def test_a_turn_takes_one_write_and_giving_it_back_another() -> None:
    """While nobody else wants it."""
    on = Instances()
    await on.change()
    assert ["locks.take", "locks.release"] == on.calls.names()
    assert {} == on.store.rows


async def test_two_instances_never_change_an_application_at_once() -> None:
    """However many of each want to."""
    on = Instances()
    await asyncio.gather(*(on.change(worker) for worker in (0, 1) for _ in range(12)))
    assert (1, 24) == (on.most_inside, len(on.order))
    assert {} == on.store.rows


async def test_different_applications_do_not_wait_for_each_other() -> None:
    """A turn is at one application."""
    on = Instances(1)
    began = on.clock.monotonic()

    async def elsewhere() -> None:
        async with on.workers[0].holding(OTHER, deadline=on.within(60)):
            await on.clock.sleep(0.5)

    await asyncio.gather(on.change(), elsewhere())
    assert on.clock.monotonic() - began < 0.6


async def test_those_of_one_worker_are_served_as_they_came_and_ask_the_store_once_each() -> None:
    """They stand in line in memory: nobody looks at the store while another of the same worker is at work."""
    on = Instances(1)
    await asyncio.gather(*(on.change(name=str(number)) for number in range(IN_A_ROW)))
    assert [str(number) for number in range(IN_A_ROW)] == on.order
    assert [] == on.calls.named("locks.get")


async def test_a_worker_with_a_long_line_lets_another_instance_in() -> None:
    """After some turns in a row it leaves a pause in which whoever waits elsewhere looks."""
    on = Instances()
    crowd = [asyncio.create_task(on.change(0)) for _ in range(4 * IN_A_ROW)]
    await on.clock.sleep(0.2)
    await on.change(1)
    await on.clock.sleep(0.2)
    await asyncio.gather(on.change(1), *crowd)
    assert [IN_A_ROW, 2 * IN_A_ROW + 1] == [place for place, worker in enumerate(on.order) if worker == "1"]


async def test_a_turn_is_kept_for_as_long_as_the_change_lasts() -> None:
    """Its holder renews it: a slow change is not taken for a death."""
    on = Instances()
    await asyncio.gather(on.change(0, lasting=5 * LASTS), on.change(1))
    assert 1 == on.most_inside


async def test_a_holder_that_died_is_followed_when_its_deadline_is_past() -> None:
    """Nobody gives its turn back."""
    on = Instances()
    await on.left_behind()
    began = on.clock.monotonic()
    await on.change(1)
    assert LASTS - 1 <= on.clock.monotonic() - began <= LASTS + 2


async def test_a_deadline_long_past_costs_no_waiting() -> None:
    """Its holder died before anybody asked."""
    on = Instances()
    await on.left_behind(until=-60)
    began = on.clock.monotonic()
    await on.change(1)
    assert on.clock.monotonic() - began < 1


async def test_a_dead_holder_whose_clock_was_fast_is_waited_for_no_longer() -> None:
    """What nobody renews for as long as a turn lasts is over, whatever its deadline says."""
    on = Instances()
    lock = await on.left_behind()
    on.store.rows[EXISTING] = LockRecord(lock.application_id, lock.holder, lock.until.replace(year=2099), lock.version)
    began = on.clock.monotonic()
    await on.change(1)
    assert on.clock.monotonic() - began <= LASTS + 2


@pytest.mark.parametrize("worker", [0, 1])
async def test_nobody_waits_for_longer_than_its_budget(worker: int) -> None:
    """Neither in the line of its own worker nor for another instance."""
    on = Instances()
    holder = asyncio.create_task(on.change(0, lasting=60))
    await on.clock.sleep(1)
    began = on.clock.monotonic()
    with pytest.raises(ConcurrentChange):
        await on.change(worker, limiter=7)
    assert 5 <= on.clock.monotonic() - began <= 7.1
    await holder
    assert 1 == len(on.order)


async def test_who_waits_for_another_instance_asks_the_store_seldom() -> None:
    """With pauses that grow up to half a second, a half more or less by chance."""
    on = Instances()
    holder = asyncio.create_task(on.change(0, lasting=20))
    await on.clock.sleep(1)
    await on.change(1)
    await holder
    looks = [call.began for call in on.calls.named("locks.get")]
    assert 30 <= len(looks) <= 60
    assert max(later - sooner for sooner, later in pairwise(looks)) <= 0.5 * 1.5 + 0.05


async def test_who_gave_up_does_not_keep_the_line_waiting() -> None:
    """The next in line has its turn."""
    on = Instances(1)
    holder = asyncio.create_task(on.change(lasting=10, name="holder"))
    await on.clock.sleep(1)
    impatient = asyncio.create_task(on.change(limiter=2, name="impatient"))
    patient = asyncio.create_task(on.change(name="patient"))
    with pytest.raises(ConcurrentChange):
        await impatient
    await asyncio.gather(holder, patient)
    assert ["holder", "patient"] == on.order


async def test_who_is_cancelled_in_line_does_not_keep_it_waiting() -> None:
    """The worker is shutting down, or its caller is gone."""
    on = Instances(1)
    holder = asyncio.create_task(on.change(lasting=10, name="holder"))
    await on.clock.sleep(1)
    gone = asyncio.create_task(on.change(name="gone"))
    patient = asyncio.create_task(on.change(name="patient"))
    await on.clock.sleep(1)
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    await asyncio.gather(holder, patient)
    assert ["holder", "patient"] == on.order


@pytest.mark.parametrize("steps", range(4))
async def test_who_is_cancelled_when_its_turn_comes_lets_the_next_one_in(steps: int) -> None:
    """At the first of these steps it has the line's lock already, and will do nothing with it."""
    on = Instances(1)
    holder = asyncio.create_task(on.change(lasting=10, name="holder"))
    await on.clock.sleep(1)
    gone = asyncio.create_task(on.change(name="gone"))
    patient = asyncio.create_task(on.change(name="patient", limiter=60))
    await asyncio.wait({holder})
    for _ in range(steps):
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait({gone, patient}, timeout=5)
    assert "patient" == on.order[-1]


async def test_nothing_is_left_running_when_all_have_had_their_turns() -> None:
    """Neither the alarm of those who waited in line, nor the renewal of whoever was cancelled while giving its turn back."""
    on = Instances(1)
    await asyncio.gather(on.change(), on.change())
    assert {asyncio.current_task()} == asyncio.all_tasks()
    # A write takes 0.01 s: the change ends amid a renewal, whose end giving back waits for.
    holder = asyncio.create_task(on.change(lasting=LASTS / 3 + 0.005))
    await on.clock.sleep(0.01 + LASTS / 3 + 0.007)
    assert not holder.done()
    holder.cancel()
    await asyncio.wait({holder})
    await asyncio.sleep(0)
    assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_a_defect_in_keeping_a_turn_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody awaits it."""
    on = Instances(1)
    on.calls.fail("locks.take", RuntimeError("a defect"), nth=2)  # type: ignore[arg-type]
    await on.change(lasting=LASTS)
    assert f"the heartbeat of the lock on application {EXISTING} broke" in caplog.text


async def test_a_change_that_fails_gives_its_turn_back() -> None:
    """The next one need not wait for a deadline."""
    on = Instances(1)

    async def failing() -> None:
        async with on.workers[0].holding(EXISTING, deadline=on.within(60)):
            raise Throttled

    with pytest.raises(Throttled):
        await failing()
    assert {} == on.store.rows


async def test_a_holder_that_stalled_does_not_take_its_follower_s_turn_away() -> None:
    """It wakes up after another has taken over, and gives back what is no longer its own."""
    on = Instances()
    mine = await on.left_behind(until=-1)
    theirs = await on.store.take(LockRecord(EXISTING, "follower", on.workers[1].until()), former=mine)
    await on.store.release(mine)
    with pytest.raises(LostRace):
        await on.store.take(mine, former=mine)
    assert {EXISTING: theirs} == on.store.rows


async def test_a_turn_that_cannot_be_given_back_fails_nothing() -> None:
    """The change is made; the next one waits for the deadline."""
    on = Instances()
    on.calls.fail("locks.release", Unreachable())
    await on.change(0)
    await on.change(1)
    assert ["0", "1"] == on.order


async def test_a_renewal_that_fails_is_tried_again() -> None:
    """Storage may be back before the deadline."""
    on = Instances()
    on.calls.fail("locks.take", Unreachable(), nth=3)
    await asyncio.gather(on.change(0, lasting=2 * LASTS), on.change(1))
    assert 1 == on.most_inside


async def test_a_storage_that_fails_fails_the_change() -> None:
    """Nothing has been changed yet."""
    on = Instances()
    on.calls.fail("locks.take", Unreachable())
    with pytest.raises(Unreachable):
        await on.change()
    assert [] == on.order


async def test_nothing_is_kept_of_a_line_that_has_gone() -> None:
    """Memory does not grow with the applications that were ever changed."""
    on = Instances(1)
    await asyncio.gather(*(on.change() for _ in range(5)))
    assert {} == on.workers[0]._waiters
