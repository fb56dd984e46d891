from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from shared.broker.ending.enqueue import FEW, TOGETHER
from shared.broker.ending.poison import poison
from shared.broker.ending.sweep import Summary, end_due, sweep, sweep_on_time
from shared.broker.ports import Timing
from shared.core.errors import Absent, LostRace, Refused, Unavailable, Upstream
from shared.core.lease import Cause, State
from shared.core.message import WAITS, Batch, write_message
from shared.core.names import LeaseId
from tests.broker.scenes import issued, stored, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import WEB, World, role, world

MANY = FEW + TOGETHER
UNKNOWN = LeaseId.of(WEB, "0" * 26)


@pytest.fixture
def scene() -> World:
    """A role with leases of a minute."""
    return world(role(ttl=60))


async def overdue(scene: World, count: int) -> None:
    """So many leases that are over."""
    for _ in range(count):
        await issued(scene)
    scene.clock.jump(61)


async def on_time(scene: World) -> Summary:
    """A sweep of the timer's."""
    return await sweep_on_time(scene.ports, "sweep")


async def deliver(scene: World) -> list[Summary]:
    """Every message that was ever sent, at once, once more."""
    return await asyncio.gather(*(end_due(scene.ports, "message", batch) for batch in scene.revocations.messages()))


def everything(scene: World) -> Batch:
    """All leases in one batch."""
    return Batch(scene.ids.guid(), tuple(scene.leases.rows))


def states(scene: World) -> Counter[State]:
    """How many leases there are in each state."""
    return Counter(lease.state for lease in scene.leases.rows.values())


async def test_a_few_are_ended_by_the_sweep_itself(scene: World) -> None:
    """Without a look at the queue or at who waits in it."""
    await overdue(scene, FEW)
    assert Summary(ended=FEW) == await on_time(scene)
    assert [] == scene.calls.named("revocations") + scene.calls.named("queued_markers")


async def test_more_are_left_to_the_queue(scene: World) -> None:
    """In batches; the sweep touches no lease and says how many remain."""
    await overdue(scene, MANY)
    before = len(scene.calls.named("leases"))
    assert Summary(remaining=MANY) == await on_time(scene)
    assert ["leases.due"] * 2 == [call.name for call in scene.calls.named("leases")[before:]]
    sent = scene.revocations.messages()
    assert [TOGETHER] * 3 == [len(batch.leases) for batch in sent]
    assert set(scene.leases.rows) == {lease_id for batch in sent for lease_id in batch.leases}


async def test_thirty_three_are_more_than_a_few_and_sixteen_go_into_a_message(scene: World) -> None:
    """Thirty-two the sweep ends itself."""
    await overdue(scene, 32)
    assert Summary(ended=32) == await on_time(scene)
    await overdue(scene, 33)
    assert Summary(remaining=33) == await on_time(scene)
    assert [16, 16, 1] == [len(batch.leases) for batch in scene.revocations.messages()]


async def test_what_is_queued_is_ended_by_those_who_take_it(scene: World) -> None:
    """And nobody waits any more."""
    await overdue(scene, MANY)
    await on_time(scene)
    assert MANY == sum(summary.ended for summary in await deliver(scene))
    assert ({State.ENDED: MANY}, [], {}) == (states(scene), scene.leftovers(), scene.queued_markers.kept)


async def test_what_waits_is_not_queued_again(scene: World) -> None:
    """By any of the next sweeps; only what has become due since is, if it is more than a few."""
    await overdue(scene, MANY)
    await on_time(scene)
    assert Summary(ended=FEW, remaining=MANY - FEW) == await on_time(scene)
    await overdue(scene, 3)
    assert Summary(ended=MANY - FEW + 3) == await on_time(scene)
    assert MANY == sum(len(batch.leases) for batch in scene.revocations.messages())


async def test_exactly_a_few_that_are_fresh_are_ended_beside_those_that_wait(scene: World) -> None:
    """One more and they would be queued."""
    await overdue(scene, MANY)
    await on_time(scene)
    await overdue(scene, FEW)
    assert Summary(ended=FEW, remaining=MANY) == await on_time(scene)
    await overdue(scene, FEW + 1)
    assert Summary(ended=FEW, remaining=MANY + 1) == await on_time(scene)


async def test_leases_end_where_nobody_takes_messages(scene: World) -> None:
    """A queue without its function must not be where leases wait for ever: each sweep ends a few of those that wait."""
    await overdue(scene, 5 * FEW)
    ended = [(await on_time(scene)).ended for _ in range(6)]
    assert [0, FEW, FEW, FEW, FEW, FEW] == ended
    assert ({State.ENDED: 5 * FEW}, []) == (states(scene), scene.leftovers())


async def test_what_nobody_takes_in_time_is_queued_again(scene: World) -> None:
    """A message that got lost delays its leases, and loses none."""
    await overdue(scene, MANY)
    await on_time(scene)
    scene.revocations.texts.clear()
    scene.clock.jump(WAITS.total_seconds())
    assert Summary(remaining=MANY) == await on_time(scene)
    assert MANY == sum(len(batch.leases) for batch in scene.revocations.messages())


async def test_what_a_dead_worker_had_taken_is_taken_up_by_the_next_sweep(scene: World) -> None:
    """It waits for no ticket: from the moment its message was taken only the leases' own holds counted."""
    await overdue(scene, MANY)
    await on_time(scene)
    first = scene.revocations.messages()[0]
    await scene.queued_markers.forget(first.id)
    assert Summary(ended=FEW, remaining=MANY - FEW) == await on_time(scene)
    assert {State.ENDED} == {stored(scene, lease_id).state for lease_id in first.leases}


async def test_five_thousand_are_queued_at_once(scene: World) -> None:
    """In one sweep, each once; one more is the next one's."""
    await issued(scene)
    only = stored(scene)
    ids = [LeaseId.of(WEB, f"{number:026d}") for number in range(5001)]
    scene.leases.rows = {each: replace(only, id=each) for each in ids}
    scene.clock.jump(61)
    assert Summary(remaining=5000) == await on_time(scene)
    named = Counter(lease_id for batch in scene.revocations.messages() for lease_id in batch.leases)
    assert (5000, {1}) == (len(named), set(named.values()))
    assert 4096 > max(len(text) for text in scene.revocations.texts)


async def test_two_sweeps_at_once_queue_twice_and_end_once() -> None:
    """Whoever comes second finds a lease ended, or held."""
    scene = world(role(ttl=60), latency=0.2)
    await asyncio.gather(*(issued(scene) for _ in range(MANY)))
    scene.clock.jump(61)
    await asyncio.gather(on_time(scene), on_time(scene))
    assert 2 * MANY == sum(len(batch.leases) for batch in scene.revocations.messages())
    assert MANY == sum(summary.ended for summary in await deliver(scene))
    assert (MANY, []) == (scene.audit.told().count(("end", "done")), scene.leftovers())


async def test_a_message_that_comes_again_does_nothing(scene: World) -> None:
    """Its leases have ended."""
    await overdue(scene, MANY)
    await on_time(scene)
    await deliver(scene)
    before = [call.name for call in scene.calls.made]
    assert [Summary()] * 3 == await deliver(scene)
    assert {"queued_markers.forget", "leases.get", "run_history.swept"} >= set(scene.calls.names()[len(before) :])


async def test_a_message_ends_nothing_that_is_not_due(scene: World) -> None:
    """Whatever it names: an active lease, one that nobody knows."""
    given = await issued(scene)
    assert Summary() == await end_due(scene.ports, "message", Batch(scene.ids.guid(), (given.lease.id, UNKNOWN)))
    assert State.ACTIVE is stored(scene).state


async def test_one_lease_that_fails_does_not_fail_its_message(scene: World) -> None:
    """It is due again by itself, later."""
    await overdue(scene, 3)
    scene.clock.jump(300)
    scene.calls.fail("directory.delete_application", Refused(azure_code="Forbidden"))
    assert Summary(ended=2, remaining=1) == await end_due(scene.ports, "message", everything(scene))
    assert Summary(ended=1) == await swept(scene, after=60)


async def test_one_record_that_cannot_be_read_does_not_fail_its_message(scene: World) -> None:
    """The others end."""
    await overdue(scene, 3)
    scene.calls.fail("leases.get", Unavailable())
    assert Summary(ended=2, remaining=1) == await end_due(scene.ports, "message", everything(scene))


@pytest.mark.parametrize("call", ["queued_markers.forget", "leases.get"])
async def test_a_message_of_which_nothing_could_be_done_fails(scene: World, call: str) -> None:
    """The host delivers it again."""
    await overdue(scene, 3)
    scene.calls.fail(call, Unavailable(), times=3)
    with pytest.raises(Upstream):
        await end_due(scene.ports, "message", everything(scene))
    assert {State.ACTIVE: 3} == states(scene)


@pytest.mark.parametrize("error", [Unavailable(), Absent()])
async def test_a_queue_that_cannot_be_reached_leaves_the_work_to_the_sweep(scene: World, error: Upstream) -> None:
    """It has the time."""
    await overdue(scene, MANY)
    scene.calls.fail("revocations.send", error, times=3)
    assert Summary(ended=MANY) == await on_time(scene)


async def test_a_ticket_that_cannot_be_written_costs_a_second_message(scene: World) -> None:
    """And nothing else."""
    await overdue(scene, MANY)
    scene.calls.fail("queued_markers.note", Unavailable(), times=3)
    await on_time(scene)
    await on_time(scene)
    assert 2 * MANY == sum(len(batch.leases) for batch in scene.revocations.messages())
    assert MANY == sum(summary.ended for summary in await deliver(scene))


async def test_a_sweep_that_is_asked_for_works_at_once_and_leaves_the_rest() -> None:
    """In the time that a caller waits; what is left is queued, and told as remaining."""
    scene = world(role(ttl=60), latency=1.0, timing=Timing(asked_sweep=10))
    await asyncio.gather(*(issued(scene) for _ in range(MANY)))
    scene.clock.jump(61)
    result = await sweep(scene.ports, "asked")
    assert (MANY, True) == (result.ended + result.remaining, 0 < result.remaining < MANY)
    assert result.remaining == sum(len(batch.leases) for batch in scene.revocations.messages())
    await deliver(scene)
    assert ({State.ENDED: MANY}, []) == (states(scene), scene.leftovers())


async def test_a_sweep_that_is_asked_for_waits_for_no_message(scene: World) -> None:
    """What is queued and due it ends as well."""
    await overdue(scene, MANY)
    await on_time(scene)
    assert Summary(ended=MANY) == await sweep(scene.ports, "asked")


async def test_a_poisoned_message_shows_its_leases_to_the_operator(scene: World) -> None:
    """Stuck, with the reason, in the record and the audit trail; tried again, slowly."""
    await overdue(scene, 2)
    assert 2 == await poison(scene.ports, "poison", everything(scene))
    assert {State.STUCK: 2} == states(scene)
    for lease in scene.leases.rows.values():
        pause = (lease.due_at - scene.clock.now()).total_seconds()
        assert (Cause.EXPIRED, True, True) == (lease.cause, 1800 <= pause <= 5400, lease.last_error.startswith("poisoned: "))
    last = scene.audit.events[-1]
    assert ("stuck", "failed", "poisoned", "poison") == (last.operation, last.outcome, last.code, last.request_id)
    assert Summary(ended=2) == await swept(scene, after=5401)


async def test_what_is_stuck_by_poison_stays_stuck_when_it_fails_again(scene: World) -> None:
    """It has been tried often enough."""
    await overdue(scene, 1)
    await poison(scene.ports, "poison", everything(scene))
    scene.calls.fail("directory.delete_application", Refused(azure_code="Forbidden"))
    assert Summary(stuck=1) == await swept(scene, after=5401)


async def test_poison_spares_what_has_ended_and_what_is_not_due(scene: World) -> None:
    """An ended lease stays so; an active one, one that is under retry and one that nobody knows are let alone."""
    await overdue(scene, 1)
    await swept(scene)
    active = await issued(scene)
    batch = Batch(scene.ids.guid(), (*scene.leases.rows, UNKNOWN))
    assert 0 == await poison(scene.ports, "poison", batch)
    assert {State.ENDED: 1, State.ACTIVE: 1} == states(scene)
    assert State.ACTIVE is stored(scene, active.lease.id).state


@pytest.mark.parametrize(("lost", "state"), [(2, State.STUCK), (3, State.ACTIVE)])
async def test_poison_tries_three_times(scene: World, lost: int, state: State) -> None:
    """Against whoever moves the lease without ending it: then it is left as it stands, and is not counted."""
    await overdue(scene, 1)
    scene.calls.fail("leases.swap", LostRace(), times=lost)
    assert (state is State.STUCK) == await poison(scene.ports, "poison", everything(scene))
    assert state is stored(scene).state


async def test_poison_loses_to_whoever_moves_the_lease_meanwhile(scene: World) -> None:
    """A worker that ends it has the last word."""
    await overdue(scene, 1)
    done: list[bool] = []

    async def ended_by_another() -> None:
        done.append(True)
        await swept(scene)

    def before_the_swap(call: MadeCall) -> None:
        if call.name == "audit.record" and not done:
            scene.calls.meanwhile(call.ordinal + 1, ended_by_another)

    scene.calls.watch = before_the_swap
    assert 0 == await poison(scene.ports, "poison", everything(scene))
    assert ([True], State.ENDED, []) == (done, stored(scene).state, scene.leftovers())


def test_a_batch_is_far_smaller_than_a_message_may_be() -> None:
    """With the longest names there are: 64 KiB, of which base64 takes a quarter."""
    longest = LeaseId.of(type(WEB)("r" * 63), "7" * 26)
    assert 48 * 1024 > 20 * len(write_message(Batch("0" * 36, (longest,) * TOGETHER)))
