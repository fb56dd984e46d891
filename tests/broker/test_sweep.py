from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from shared.broker.ending.sweep import Summary
from shared.broker.ports import Timing
from shared.core.errors import Misconfigured, Refused, Throttled, Unavailable
from shared.core.lease import Cause, State
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.crash.walk import FaultAt, strike
from tests.fakes.calls import Died, MadeCall
from tests.fakes.world import World, request, role, world


@pytest.fixture
def scene() -> World:
    """A role with leases of a minute."""
    return world(role(ttl=60))


async def test_an_idle_sweep_reads_what_is_due_and_nothing_else(scene: World) -> None:
    """However many leases are alive: of those, and of roles that were revoked."""
    for _ in range(5):
        await issued(scene)
    before = len(scene.calls.made)
    assert Summary() == await swept(scene)
    assert ["leases.due", "generations.all", "run_history.swept"] == scene.calls.names()[before:]


async def test_an_expired_lease_is_ended(scene: World) -> None:
    """At its end, not before."""
    await issued(scene)
    assert Summary() == await swept(scene, after=59)
    assert Summary(ended=1) == await swept(scene, after=1)
    assert (State.ENDED, Cause.EXPIRED, []) == (stored(scene).state, stored(scene).cause, scene.leftovers())


async def test_many_leases_are_ended_side_by_side() -> None:
    """Forty leases at two seconds a call take three rounds of some calls, not forty."""
    scene = world(role(ttl=60), latency=2.0)
    await asyncio.gather(*(issued(scene) for _ in range(40)))
    scene.clock.jump(60)
    began = scene.clock.monotonic()
    assert 40 == (await swept(scene)).ended
    assert 80 > scene.clock.monotonic() - began
    assert [] == scene.leftovers()


async def test_leases_are_taken_up_one_after_the_other(scene: World) -> None:
    """All at once they would keep the worker from its callers."""
    for _ in range(4):
        await issued(scene)
    scene.clock.jump(60)
    read: list[float] = []
    scene.calls.watch = lambda call: read.append(scene.clock.monotonic()) if call.name == "leases.get" else None
    scene.calls.latency = 0.2
    await swept(scene)
    assert [0.0, 0.1, 0.2, 0.3] == [round(each - read[0], 3) for each in read]


async def test_a_broker_that_gets_no_token_gets_stuck_leases(scene: World) -> None:
    """Its identity was taken away: that is a failed attempt like any other, told and paused after."""
    await issued(scene)
    scene.calls.fail("directory.delete_principal", Misconfigured("no token"), times=100)
    for _ in range(12):
        await swept(scene, after=900)
    assert (State.STUCK, "misconfigured") == (stored(scene).state, stored(scene).last_error)
    assert 1 == scene.audit.told().count(("stuck", "failed"))


async def test_two_sweeps_at_once_do_no_harm() -> None:
    """Each lease is ended and told of once."""
    scene = world(role(ttl=60), latency=0.2)
    for _ in range(6):
        await issued(scene)
    scene.clock.jump(60)
    summaries = await asyncio.gather(*(swept(scene) for _ in range(2)))
    assert 6 == sum(summary.ended for summary in summaries)
    assert 6 == scene.audit.told().count(("end", "done"))
    assert [] == scene.leftovers()


async def test_a_sweep_takes_up_nothing_when_its_time_is_over() -> None:
    """What it did not get to is told, and is the next one's."""
    scene = world(role(ttl=60), latency=3.0, timing=Timing(asked_sweep=20))
    await asyncio.gather(*(issued(scene) for _ in range(40)))
    scene.clock.jump(60)
    first = await swept(scene)
    assert (40, True) == (first.ended + first.remaining, 0 < first.ended < 40)
    for _ in range(5):
        await swept(scene)
    assert [] == scene.leftovers()


async def test_one_bad_record_does_not_keep_the_others(scene: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, told as remaining, and the others end."""
    bad = await issued(scene)
    for _ in range(3):
        await issued(scene)

    def fail(call: MadeCall) -> None:
        if call.name == "leases.get" and call.about == (bad.lease.id,):
            raise ValueError("a footprint of type 'x' is from a later version of the broker")

    scene.calls.watch = fail
    with caplog.at_level(logging.ERROR):
        assert Summary(ended=3, remaining=1) == await swept(scene, after=60)
    assert bad.lease.id in caplog.text


async def test_storage_trouble_with_one_lease_does_not_keep_the_others(scene: World) -> None:
    """It is due still."""
    for _ in range(3):
        await issued(scene)
    scene.calls.fail("leases.swap", Unavailable())
    assert Summary(ended=2, remaining=1) == await swept(scene, after=60)
    assert Summary(ended=1) == await swept(scene)


async def test_a_store_that_cannot_be_read_is_an_error(scene: World) -> None:
    """Nobody is told that nothing was due."""
    scene.calls.fail("leases.due", Unavailable())
    with pytest.raises(Unavailable):
        await swept(scene)


async def test_records_are_forgotten_after_their_retention(scene: World) -> None:
    """A week, and not a second less."""
    await issued(scene)
    await swept(scene, after=60)
    week = 7 * 86400
    assert Summary() == await swept(scene, after=week - 1)
    assert Summary(pruned=1) == await swept(scene, after=1)
    assert {} == scene.leases.rows


def test_a_lease_whose_worker_died_is_undone_when_its_hold_has_lapsed() -> None:
    """Twenty seconds, no sooner: the worker may be at work."""
    scene = world(role(ttl=60))
    strike(scene, issued, FaultAt(9, after=True), Died())
    assert (State.PLANNED, True) == (stored(scene).state, bool(scene.leftovers()))
    assert Summary() == scene.run(lambda: swept(scene, after=19))
    scene.run(lambda: swept(scene, after=1))
    assert (Cause.UNFINISHED, []) == (stored(scene).cause, scene.leftovers())


def test_a_lease_whose_worker_died_before_it_made_anything_has_ended_after_a_second_look() -> None:
    """Absence is believed only when whatever was under way must have become visible."""
    scene = world(role(ttl=60))
    strike(scene, issued, FaultAt(5, after=False), Died())
    first = scene.run(lambda: swept(scene, after=20))
    assert (Summary(remaining=1), State.ENDING) == (first, stored(scene).state)
    assert stored(scene).made_by < stored(scene).due_at
    second = scene.run(lambda: swept(scene, after=400))
    assert (Summary(undone=1), State.ENDED) == (second, stored(scene).state)


async def test_a_refusal_is_tried_again_ever_later(scene: World) -> None:
    """Until the lease is stuck; then each hour or so."""
    await issued(scene)
    scene.calls.fail("directory.delete_application", Refused(azure_code="Forbidden"), times=9)
    scene.clock.jump(300)
    stuck, pauses = 0, []
    for _ in range(9):
        summary = await swept(scene)
        stuck += summary.stuck
        pauses.append((stored(scene).due_at - scene.clock.now()).total_seconds())
        scene.clock.jump(pauses[-1] + 1)
    assert (2, State.STUCK, "azure_refused: Forbidden") == (stuck, stored(scene).state, stored(scene).last_error)
    assert 30 > pauses[0]
    assert 1800 <= pauses[-1] <= 5400
    assert Summary(ended=1) == await swept(scene)


async def test_a_lease_under_retry_is_not_called_for_between_its_attempts(scene: World) -> None:
    """Its pause is a pause."""
    await issued(scene)
    scene.calls.fail("authorization.unassign", Throttled(retry_after=300), times=2)
    await swept(scene, after=60)
    before = len([call for call in scene.calls.made if call.service in AZURE])
    await swept(scene, after=200)
    assert before == len([call for call in scene.calls.made if call.service in AZURE])


async def test_what_was_found_is_stored_before_anything_is_deleted(scene: World) -> None:
    """Once the application is in the recycle bin its unique name leads nowhere."""
    given = await issued(scene)
    footprint = given.lease.footprint
    assert isinstance(footprint, ServicePrincipalFootprint)
    bare = replace(footprint, application_id=None, app_id=None, principal_id=None)
    await scene.leases.swap(given.lease.knowing(bare), former=given.lease)
    known: list[bool] = []

    def watch(call: MadeCall) -> None:
        if call.name in {"authorization.unassign", "directory.delete_principal", "directory.delete_application"}:
            known.append(stored(scene).footprint == footprint)

    scene.calls.watch = watch
    await swept(scene, after=60)
    assert [True] * 4 == known


async def test_the_end_is_told_before_the_lease_has_ended(scene: World) -> None:
    """A death in between tells it twice rather than never."""
    await issued(scene)
    scene.calls.fail("audit.record", Unavailable())
    assert Summary(remaining=1) == await swept(scene, after=300)
    assert State.ENDING is stored(scene).state
    assert Summary(ended=1) == await swept(scene, after=21)


async def test_a_sweep_notes_when_it_finished_and_with_what_result(scene: World) -> None:
    """For status."""
    await issued(scene)
    await swept(scene, after=60)
    assert (scene.clock.now(), {"ended": 1, "undone": 0, "stuck": 0, "remaining": 0}) == await scene.run_history.last_sweep()


async def test_a_sweep_takes_up_what_others_left(scene: World) -> None:
    """A lease that somebody else has moved since it was found due is left alone."""
    given = await issued(scene)
    scene.clock.jump(60)

    async def renew() -> None:
        now = scene.clock.now()
        await scene.leases.swap(replace(given.lease, due_at=now.replace(year=2030)), former=stored(scene))

    scene.calls.meanwhile(len(scene.calls.made) + 2, renew)
    assert Summary() == await swept(scene)
    assert State.ACTIVE is stored(scene).state
    assert request().id == "req-1"
