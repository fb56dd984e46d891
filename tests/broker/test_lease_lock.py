from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ending.undo import claim
from shared.core.errors import Interrupted, LostRace, Throttled, Unavailable, Unreachable
from shared.core.lease import Cause, State
from tests.broker.scenes import issued, stored, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import World, principal_target, role, world
from tests.support.kinds import as_principal


async def sweeping_while(scene: World, work: asyncio.Task[object]) -> None:
    """A sweep every five seconds until the work is done."""
    while not work.done():
        await scene.clock.sleep(5)
        await swept(scene)


async def test_a_slow_issue_is_not_swept() -> None:
    """What it has made is unknown to Azure for longer than a hold lasts."""
    scene = world(role())
    scene.cloud.lag = 30.0
    work: asyncio.Task[object] = asyncio.create_task(issued(scene, ttl=3600))
    await sweeping_while(scene, work)
    await work
    assert (True, State.ACTIVE) == (scene.clock.monotonic() - 1000 > 25, stored(scene).state)
    assert [] == [event for event in scene.audit.events if event.operation == "end" and event.outcome == "done"]


async def test_a_slow_issue_comes_to_its_end_under_sweeps() -> None:
    """The first call fails for most of a minute, and the lease is active in the end."""
    scene = world(role())
    scene.calls.fail("directory.upsert_application", Unavailable(), times=12)
    work: asyncio.Task[object] = asyncio.create_task(issued(scene))
    await sweeping_while(scene, work)
    await work
    assert 40 < scene.clock.monotonic() - 1000
    assert State.ACTIVE is stored(scene).state


async def test_a_slow_sweep_is_not_taken_over() -> None:
    """Ending holds the lease as well."""
    scene = world(role(ttl=60))
    await issued(scene)
    scene.clock.jump(60)
    scene.calls.fail("authorization.unassign", Unavailable(), times=20)
    work: asyncio.Task[object] = asyncio.create_task(swept(scene))
    await sweeping_while(scene, work)
    assert 1 == len([event for event in scene.audit.events if event.operation == "end"])


async def test_storage_trouble_does_not_end_a_hold() -> None:
    """A renewal that fails is made up for by the next."""
    scene = world(role())
    scene.calls.fail("directory.upsert_application", Unavailable(), times=8)
    scene.calls.fail("leases.swap", Unavailable(), times=1)
    work: asyncio.Task[object] = asyncio.create_task(issued(scene))
    await sweeping_while(scene, work)
    await work
    assert State.ACTIVE is stored(scene).state


async def test_a_frozen_worker_loses_its_lease() -> None:
    """Its machine stood still for longer than a hold lasts; what it makes afterwards it undoes."""
    scene = world(role())

    async def freeze() -> None:
        await swept(scene, after=25)

    scene.calls.meanwhile(10, freeze)
    with pytest.raises(Interrupted):
        await issued(scene)
    assert [] == scene.leftovers()


async def test_a_worker_that_wakes_after_its_lease_has_ended_undoes_what_it_makes_then() -> None:
    """Nobody else knows of it. It is unknown to Azure for a moment, as everything new is."""
    scene = world(role(), lag=3.0)

    async def freeze() -> None:
        await swept(scene, after=25)
        await swept(scene, after=400)
        assert State.ENDED is stored(scene).state

    scene.calls.meanwhile(7, freeze)
    with pytest.raises(Unreachable):
        await issued(scene)
    assert "directory.upsert_application" == scene.calls.made[6].name
    assert [] == [thing for thing in scene.leftovers() if thing.kind != "binned"]


async def test_a_throttled_worker_that_wakes_after_its_lease_has_ended_undoes_what_it_has_made() -> None:
    """There is no sweep that would: the lease is over."""
    scene = world(role(principal_target(roles=1, groups=0)))

    async def freeze() -> None:
        await swept(scene, after=25)
        await swept(scene, after=400)
        assert State.ENDED is stored(scene).state

    def at_the_assignment(call: MadeCall) -> None:
        if call.name == "directory.add_secret":
            scene.calls.watch = None
            scene.calls.meanwhile(len(scene.calls.made) + 1, freeze)

    scene.calls.watch = at_the_assignment
    scene.calls.fail("authorization.assign", Throttled(retry_after=300), after=True)
    with pytest.raises(Throttled):
        await issued(scene)
    assert [] == scene.leftovers()


async def held(scene: World) -> LeaseLock:
    """A hold on the only lease, which is being ended."""
    return await claim(scene.ports, stored(scene), Cause.REVOKED)


async def test_a_hold_that_has_lost_stays_lost() -> None:
    """Every later move raises, and the renewals stop."""
    scene = world(role())
    await issued(scene)
    async with await held(scene) as lock:
        await scene.leases.swap(stored(scene), former=stored(scene))
        for _ in range(2):
            with pytest.raises(LostRace):
                await lock.move(lambda lease: lease)
        await scene.clock.sleep(10)
        before = len(scene.calls.made)
        await scene.clock.sleep(100)
        assert before == len(scene.calls.made)


@pytest.mark.parametrize("way", ["move", "renewal"])
async def test_what_is_noted_is_stored_with_whatever_is_stored_next(way: str) -> None:
    """By a move, or by a renewal that comes before: a worker that dies afterwards has told it."""
    scene = world(role())
    await issued(scene)
    async with await held(scene) as lock:
        noted = replace(as_principal(lock.lease.footprint), unmade=("somewhere",))
        assert noted != stored(scene).footprint
        lock.note(noted)
        await (lock.move(lambda lease: lease) if way == "move" else scene.clock.sleep(10))
        assert noted == stored(scene).footprint


async def test_a_released_lease_is_not_kept_any_more() -> None:
    """Nothing is written after the last move."""
    scene = world(role())
    await issued(scene)
    async with await held(scene) as lock:
        await lock.release(lambda lease: lease)
        before = len(scene.calls.made)
        await scene.clock.sleep(100)
        assert before == len(scene.calls.made)


async def test_a_lease_that_someone_else_moved_is_not_forgotten_and_that_is_no_error() -> None:
    """Whoever moved it is ending it."""
    scene = world(role())
    await issued(scene)
    lock = LeaseLock(scene.ports, stored(scene))
    await scene.leases.swap(stored(scene), former=stored(scene))
    await lock.forget()
    assert State.ACTIVE is stored(scene).state


async def test_a_lease_is_forgotten_though_a_renewal_is_under_way() -> None:
    """That comes to its end first: it would make the row another one."""
    scene = world(role(), latency=1.0)
    await issued(scene)
    async with await held(scene) as lock:
        await scene.clock.sleep(7)
        await lock.forget()
    assert {} == scene.leases.rows


async def test_cancelling_the_holder_while_it_stops_cancels_it() -> None:
    """The end of the renewals is not taken for its own."""
    scene = world(role(), latency=1.0)
    await issued(scene)
    begun = asyncio.Event()

    async def work() -> str:
        async with await held(scene):
            await scene.clock.sleep(6.5)
            begun.set()
        return "went on"

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_the_holder_while_a_renewal_is_written_ends_the_renewals() -> None:
    """Nobody goes on holding a lease on which nobody works."""
    scene = world(role(), latency=2.0)
    await issued(scene)

    async def work() -> None:
        async with await held(scene):
            await scene.clock.sleep(7.5)

    task = asyncio.create_task(work())
    await scene.clock.sleep(7.8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await scene.clock.sleep(10)
    before = len(scene.calls.made)
    await scene.clock.sleep(100)
    assert before == len(scene.calls.made)
