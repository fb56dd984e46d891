"""Events leave the outbox: in batches, at least once, and without delaying anything else."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.ending.sweep import Summary, sweep_on_time
from shared.broker.event_status import Outgoing
from shared.broker.inspect import status
from shared.broker.ports import Timing
from shared.broker.telling.publish import LATEST, MOST_OCTETS, batches
from shared.core.audit import Outcome
from shared.core.errors import IdentityRefused, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, shard_of
from shared.core.outgoing.event import EventType, OutgoingEvent
from shared.core.ports.outbox import WaitingEvent
from tests.broker.scenes import issued, stored, swept
from tests.fakes.calls import Died
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, WEB, World, request, role, world

DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def scene() -> World:
    """A broker that publishes, and a role with leases of an hour."""
    return world(role(ttl=3600, max_ttl=7200), publishing=True)


async def outgoing(scene: World) -> Outgoing:
    """Returns what ``status`` has of the events that are published."""
    found = (await status(scene.ports, request(ADMINISTRATOR))).events
    assert found is not None
    assert found.outgoing is not None
    return found.outgoing


async def write(scene: World, count: int, *, size: int = 10) -> list[str]:
    """So many events, each with so many characters. Returns their ids, the oldest first."""
    ids = []
    for number in range(count):
        now = scene.ports.now()
        event = OutgoingEvent(scene.ids.ulid(now), EventType.POOL_LOW, f"roles/{number}", now, {"x": "x" * size})
        await scene.outbox.add(event)
        ids.append(event.id)
    return ids


async def test_what_a_lease_has_told_is_published_by_the_next_sweep(scene: World) -> None:
    """And deleted from the outbox."""
    await issued(scene)
    await swept(scene)
    assert (["lease.issued"], {}) == (scene.topic.told(), scene.outbox.rows)


async def test_the_timer_s_sweep_publishes_as_well(scene: World) -> None:
    """Beside the leases that it ends, or leaves to the queue."""
    await write(scene, 3)
    assert Summary() == await sweep_on_time(scene.ports, "timer")
    assert 3 == len(scene.topic.published)


async def test_a_sweep_without_events_makes_the_same_calls_as_ever(scene: World) -> None:
    """However many leases are alive, and although events are on."""
    for _ in range(3):
        await issued(scene)
    await swept(scene)
    before = len(scene.calls.made)
    await swept(scene)
    assert ["leases.due", "generations.all", "run_history.swept"] == scene.calls.names()[before:]


async def test_a_batch_has_a_hundred_events_at_most(scene: World) -> None:
    """Each event once."""
    ids = await write(scene, 250)
    await swept(scene)
    assert ([50, 100, 100], sorted(ids)) == (sorted(scene.topic.batches), sorted(scene.topic.ids()))


def test_a_batch_has_so_many_octets_at_most() -> None:
    """Counted as they are sent; one that is alone in being larger goes alone."""
    sizes = [MOST_OCTETS // 2, MOST_OCTETS // 2 - 800, 10, MOST_OCTETS, 10]
    events = [WaitingEvent(f"{number}", "00", START, "x" * size) for number, size in enumerate(sizes)]
    assert [["0", "1"], ["2"], ["3"], ["4"]] == [[each.id for each in batch] for batch in batches(events)]
    letters = [WaitingEvent(f"{number}", "00", START, "\u00e9" * (MOST_OCTETS // 4)) for number in range(2)]
    assert [1, 1] == [len(batch) for batch in batches(letters)]
    assert [] == [*batches([])]


async def test_an_event_that_was_published_and_not_deleted_comes_again_with_the_same_id(scene: World) -> None:
    """The worker has died in between."""
    (event_id,) = await write(scene, 1)
    calls = len(scene.calls.made)
    scene.calls.fail_at(calls + 3, Died(), after=True)
    with pytest.raises(Died):
        await swept(scene)
    assert "topic.publish" == scene.calls.made[calls + 2].name
    scene.calls.revive()
    await swept(scene)
    assert ([event_id, event_id], {}) == (scene.topic.ids(), scene.outbox.rows)


@pytest.mark.parametrize("down", [Unreachable(), Unavailable(), Throttled(), Refused(status=403), IdentityRefused(status=401)])
async def test_what_a_topic_does_not_take_moves_to_a_later_sweep(scene: World, down: Upstream) -> None:
    """The sweeps in between read no row of it; and then it is published."""
    ids = await write(scene, 120)
    scene.topic.down = down
    await swept(scene)
    assert {START + timedelta(minutes=1)} == {each.due_at for each in scene.outbox.rows.values()}
    before = len(scene.calls.made)
    await swept(scene, after=59)
    assert ["leases.due", "generations.all", "run_history.swept"] == scene.calls.names()[before:]
    scene.topic.down = None
    await swept(scene, after=1)
    assert (sorted(ids), {}) == (sorted(scene.topic.ids()), scene.outbox.rows)


async def test_a_refusal_is_logged_once_a_sweep(scene: World, caplog: pytest.LogCaptureFixture) -> None:
    """However many batches there are; and it is tried once."""
    await write(scene, 950)
    scene.topic.down = Refused(status=403)
    with caplog.at_level(logging.WARNING):
        await swept(scene)
    assert 1 == len([each for each in caplog.records if "could not be published" in each.message])
    assert 4 >= len(scene.calls.named("topic.publish"))


async def test_an_event_waits_as_long_again_as_it_has_waited_and_a_quarter_at_most(scene: World) -> None:
    """So a topic that is down for long is asked less and less."""
    await write(scene, 1)
    scene.topic.down = Unreachable()
    waits = []
    for _ in range(8):
        await swept(scene)
        (event,) = scene.outbox.rows.values()
        waits.append((event.due_at - scene.ports.now()).total_seconds() / 60)
        scene.clock.jump(waits[-1] * 60)
    assert [1, 1, 2, 4, 8, 15, 15, 15] == waits


async def test_a_topic_that_asks_to_wait_is_asked_later_and_never_too_late(scene: World) -> None:
    """``status`` counts what is due within an hour."""
    await write(scene, 1)
    scene.topic.down = Throttled(retry_after=600.0)
    await swept(scene)
    assert [START + timedelta(minutes=10)] == [each.due_at for each in scene.outbox.rows.values()]
    scene.topic.down = Throttled(retry_after=2 * LATEST.total_seconds())
    await swept(scene, after=600)
    assert [START + timedelta(minutes=70)] == [each.due_at for each in scene.outbox.rows.values()]


async def test_a_batch_that_the_topic_finds_bad_is_halved_until_one_is_dropped(scene: World) -> None:
    """The others are published; the trail tells of the one, and ``status`` counts it."""
    ids = await write(scene, 100)
    scene.topic.bad = {ids[42]}
    await swept(scene)
    assert (sorted({*ids} - {ids[42]}), {}) == (sorted(scene.topic.ids()), scene.outbox.rows)
    (event,) = [each for each in scene.audit.events if each.operation == "publish"]
    assert (Outcome.FAILED, "events_dropped") == (event.outcome, event.code)
    assert ids[42] in event.reason
    found = await outgoing(scene)
    assert (1, "") == (found.dropped, found.last_error)


async def test_bad_events_take_no_more_than_the_time_of_a_sweep(scene: World) -> None:
    """However many there are: the others of them are found by the next sweeps."""
    ids = await write(scene, 100)
    scene.topic.bad = {*ids}
    scene.topic.seconds = 0.5
    began = scene.clock.monotonic()
    await swept(scene)
    assert 10.0 >= scene.clock.monotonic() - began
    assert 0 < len(scene.outbox.rows) < len(ids)


async def test_half_of_a_bad_batch_may_meet_a_topic_that_is_down(scene: World) -> None:
    """What was published is not sent again, and what was not waits."""
    ids = await write(scene, 4)
    scene.topic.bad = {max(ids, key=lambda it: (shard_of(it), it))}
    scene.calls.fail("topic.publish", Unreachable(), nth=3)
    await swept(scene)
    first = set(scene.topic.ids())
    assert {*ids} - first == {*scene.outbox.rows}
    assert 2 == len(first)


async def test_what_is_older_than_a_day_is_dropped_counted_and_audited(scene: World) -> None:
    """Whatever the topic does."""
    await write(scene, 3)
    scene.topic.down = Unreachable()
    scene.clock.jump(DAY - 1)
    await swept(scene)
    assert 3 == len(scene.outbox.rows)
    await swept(scene, after=900)
    assert ({}, []) == (scene.outbox.rows, scene.topic.published)
    assert ["3 events older than a day"] == [each.reason for each in scene.audit.events if each.operation == "publish"]
    found = await outgoing(scene)
    assert 3 == found.dropped


async def test_status_tells_what_waits_since_when_and_why(scene: World) -> None:
    """And forgets why when events are published again."""
    await write(scene, 2)
    scene.topic.down = Refused(status=403, azure_code="Forbidden")
    await swept(scene, after=60)
    found = await outgoing(scene)
    assert (2, START, "azure_refused: Forbidden", 0) == (
        found.waiting.count,
        found.waiting.oldest,
        found.last_error,
        found.dropped,
    )
    scene.topic.down = None
    await swept(scene, after=60)
    found = await outgoing(scene)
    assert (0, None, "") == (found.waiting.count, found.waiting.oldest, found.last_error)


async def test_status_has_nothing_of_events_that_are_not_published() -> None:
    """And asks nothing."""
    scene = world(role())
    found = (await status(scene.ports, request(ADMINISTRATOR))).events
    assert found is not None
    assert found.outgoing is None
    assert [] == scene.calls.named("outbox")


async def test_what_waits_when_events_are_turned_off_is_dropped_after_a_day() -> None:
    """Nothing is published without a topic."""
    scene = world(role())
    await write(scene, 1)
    await swept(scene)
    assert [START + timedelta(minutes=1)] == [each.due_at for each in scene.outbox.rows.values()]
    await swept(scene, after=DAY)
    assert ({}, []) == (scene.outbox.rows, scene.topic.published)


async def test_a_lease_that_was_to_be_told_of_when_events_are_turned_off_goes_on(scene: World) -> None:
    """It is due at its end, and nothing is told."""
    lease = (await issued(scene)).lease
    off = world(role())
    off.leases.rows[lease.id] = lease
    await swept(off, after=2400)
    assert (State.ACTIVE, lease.expires_at, {}) == (stored(off).state, stored(off).due_at, off.outbox.rows)


@pytest.mark.parametrize("is_down", [False, True])
async def test_a_topic_that_never_answers_takes_no_more_than_its_time_and_delays_no_lease(*, is_down: bool) -> None:
    """Forty leases end as they would without it."""
    scene = world(role(ttl=60), publishing=True, latency=0.5)
    await asyncio.gather(*(issued(scene) for _ in range(40)))
    scene.outbox.rows.clear()
    if is_down:
        await write(scene, 500)
        scene.topic.seconds = 3.0
        scene.topic.down = Unreachable()
    scene.clock.jump(60)
    began = scene.clock.monotonic()
    assert 40 == (await swept(scene)).ended
    last = max(call.over or 0.0 for call in scene.calls.named("leases.swap"))
    assert 27.0 > last - began


async def test_a_sweep_publishes_for_so_long_and_leaves_the_rest_to_the_next(scene: World) -> None:
    """Slow as it may be: what was not tried stays due."""
    ids = await write(scene, 2000)
    scene.topic.seconds = 2.0
    began = scene.clock.monotonic()
    await swept(scene)
    assert 10.0 >= scene.clock.monotonic() - began
    assert 0 < len(scene.topic.published) < len(ids)
    assert {START} == {each.due_at for each in scene.outbox.rows.values()}
    for _ in range(3):
        await swept(scene)
    assert sorted(ids) == sorted(scene.topic.ids())


async def test_moving_stops_when_the_time_is_up() -> None:
    """What was not moved is due for the next sweep."""
    scene = world(role(), publishing=True, timing=Timing(events=0.0))
    await write(scene, 100)
    scene.topic.down = Unreachable()
    await swept(scene)
    assert {START} == {each.due_at for each in scene.outbox.rows.values()}


@pytest.mark.parametrize("call", ["outbox.forget", "outbox.postpone", "run_history.published", "audit.record"])
async def test_a_sweep_goes_on_although_storage_fails_its_events(scene: World, call: str) -> None:
    """They are left to the next one."""
    ids = await write(scene, 2)
    scene.topic.down = Unreachable() if call == "outbox.postpone" else None
    scene.topic.bad = {ids[0]} if call == "audit.record" else set()
    scene.calls.fail(call, Unavailable())
    assert Summary() == await swept(scene)
    scene.topic.down = None
    for _ in range(2):
        await swept(scene, after=60)
    assert {} == scene.outbox.rows
    assert {ids[1]} <= {*scene.topic.ids()}


async def test_a_defect_in_publishing_fails_no_sweep(scene: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is told with its frames."""
    await write(scene, 1)
    scene.topic.published = None  # type: ignore[assignment]  # a broken fake
    assert Summary() == await swept(scene)
    assert "events could not be published" in caplog.text
    assert 1 == len(scene.outbox.rows)


async def test_ten_thousand_leases_end_while_the_topic_is_down_for_two_hours_and_none_is_lost(scene: World) -> None:
    """Every end is told in the end, and once."""
    lease = (await issued(scene)).lease
    scene.leases.rows.clear()
    scene.outbox.rows.clear()
    scene.topic.down = Unreachable()
    leases: set[str] = set()
    for _ in range(120):
        for _ in range(84):
            leases.add(await _ended(scene, lease))
        await swept(scene, after=60)
        scene.calls.made.clear()
    found = await outgoing(scene)
    assert (len(leases), 0) == (found.waiting.count, found.dropped)
    assert 10_000 <= len(leases)
    scene.topic.down = None
    minutes = 0
    while scene.outbox.rows and minutes < 30:
        await swept(scene, after=60)
        minutes += 1
    assert (sorted(leases), {"leasehold.lease.ended"}) == (
        sorted(event["data"]["lease"] for event in scene.topic.published),
        {event["type"] for event in scene.topic.published},
    )
    assert 16 >= minutes


async def _ended(scene: World, like: Lease) -> LeaseId:
    """A lease ends, as the worker stores it that has undone it."""
    now = scene.ports.now()
    own = replace(like, id=LeaseId.of(WEB, scene.ids.ulid(now)))
    ending = await scene.ports.leases.open(own.ending(Cause.REVOKED, now, now))
    await scene.ports.leases.swap(ending.ended(now, timedelta(days=7)), former=ending)
    del scene.leases.rows[own.id]
    return own.id
