from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.broker.configure.roles import delete_role
from shared.broker.ending.poison import poison
from shared.broker.ending.recall import recall
from shared.broker.ending.sweep import Summary, end_due, sweep_on_time
from shared.broker.inspect import list_leases, read_lease
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.ports import Timing
from shared.broker.renew import renew
from shared.broker.revoke import Revoking, revoke_role
from shared.core.errors import Conflict, Gone, Interrupted, TooMany, Unavailable
from shared.core.lease import Cause, State
from shared.core.message import Batch, Recall
from shared.core.names import LeaseId, RoleName
from shared.core.ports.leases import LeaseQuery
from shared.core.ports.run_history import Count
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, WEB, World, request, role, world

OTHER = RoleName("other")


@pytest.fixture
async def scene() -> World:
    """Three active leases of one role, five minutes old, and one of another."""
    made = world(role(), role(name=OTHER))
    for _ in range(3):
        await issued(made)
    await issued(made, role=OTHER)
    made.clock.jump(300)
    return made


async def revoked(scene: World, name: RoleName = WEB) -> Revoking:
    """By an admin."""
    return await revoke_role(scene.ports, request(ADMINISTRATOR), name)


async def again(scene: World) -> Issued:
    """Alice's request under her key, once more."""
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "alice-1")


def of(scene: World, name: RoleName) -> set[State]:
    """The states of a role's leases."""
    return {lease.state for lease in scene.leases.rows.values() if lease.id.role == name}


async def test_one_write_and_one_message_whatever_the_number(scene: World) -> None:
    """No lease's row is touched, or read."""
    before = len(scene.calls.made)
    assert Revoking(3, scene.clock.now()) == await revoked(scene)
    made = scene.calls.names()[before:]
    assert ["generations.get", "leases.count_few", "generations.advance", "revocations.send", "audit.record"] == made
    assert {State.ACTIVE} == of(scene, WEB)
    event = scene.audit.events[-1]
    assert ("revoke_role", WEB, "3 leases, generation 1") == (event.operation, event.role, event.reason)


async def test_many_are_told_as_they_were_last_counted(scene: World) -> None:
    """With the time. Where the last count knew of a thousand at most, or there is none, they are counted now."""
    first = next(iter(scene.leases.rows.values()))
    for number in range(1100):
        lease_id = LeaseId(f"web.{number:026d}")
        scene.leases.rows[lease_id] = replace(first, id=lease_id)
    assert Revoking(1103, scene.clock.now()) == await revoked(scene)
    await scene.run_history.counted(Count(scene.clock.now() - timedelta(minutes=55), {(WEB, State.ACTIVE): 1000}))
    assert Revoking(1103, scene.clock.now()) == await revoked(scene)
    at = scene.clock.now() - timedelta(minutes=50)
    await scene.run_history.counted(Count(at, {(WEB, State.ACTIVE): 1234, (WEB, State.ENDED): 7, (OTHER, State.ACTIVE): 9}))
    assert Revoking(1234, at) == await revoked(scene)


async def test_it_is_in_force_before_anything_has_ended(scene: World) -> None:
    """They are told as ending, and cannot be renewed; the other role's stay as they are."""
    await revoked(scene)
    for lease in [*scene.leases.rows.values()]:
        result = await read_lease(scene.ports, request(), lease.id)
        assert (State.ACTIVE if lease.id.role == OTHER else State.ENDING) is result.state
    listed = await list_leases(scene.ports, request(), LeaseQuery())
    assert [State.ACTIVE, *[State.ENDING] * 3] == sorted(each.state for each in listed.items)
    ending = await list_leases(scene.ports, request(), LeaseQuery(state=State.ENDING))
    assert [WEB] * 3 == [each.id.role for each in ending.items]
    active = await list_leases(scene.ports, request(), LeaseQuery(state=State.ACTIVE))
    assert [OTHER] == [each.id.role for each in active.items]
    with pytest.raises(Conflict) as caught:
        await renew(scene.ports, request(), next(iter(scene.leases.rows)), None)
    assert "lease_not_active" == caught.value.stable_code


async def test_what_is_issued_afterwards_lives(scene: World) -> None:
    """Also with a cap that those that are to end would fill."""
    scene.roles.keep(role(max_leases=3))
    with pytest.raises(TooMany):
        await issued(scene)
    await revoked(scene)
    given = await issued(scene)
    await swept(scene)
    assert State.ACTIVE is stored(scene, given.lease.id).state
    assert {State.ACTIVE, State.ENDED} == of(scene, WEB)


@pytest.mark.parametrize("ordinal", [*range(1, 15), 16])
async def test_an_issue_under_way_is_not_handed_out(ordinal: int) -> None:
    """At whatever step before its last read, which is beside its word to the audit trail: nothing is left."""
    made = world(role())
    made.calls.meanwhile(ordinal, lambda: revoked(made))
    try:
        given = await issued(made)
    except Interrupted:
        pass
    else:
        # Revoked before anything was made: it was decided on again, and opened after that.
        assert ordinal <= 6
        assert 1 == given.lease.generation
        return
    await swept(made, after=400)
    await swept(made, after=400)
    assert [] == made.leftovers()
    assert not [lease for lease in made.leases.rows.values() if lease.state.is_live]


async def test_its_key_is_dead_as_well() -> None:
    """A repeat learns that the lease has ended, although its row is active."""
    made = world(role())
    await again(made)
    await revoked(made)
    assert State.ACTIVE is stored(made).state
    with pytest.raises(Gone):
        await again(made)


async def test_a_repeat_under_way_hands_no_secret_out() -> None:
    """The fresh secret is removed, and the repeat answers as one that came later."""
    made = world(role())
    await again(made)
    made.clock.jump(300)
    asked = len(made.calls.made)

    def strike() -> None:
        if made.calls.names()[asked:].count("directory.add_secret"):
            made.calls.watch = None
            made.calls.meanwhile(len(made.calls.made) + 1, lambda: revoked(made))

    made.calls.watch = lambda _: strike()
    with pytest.raises(Gone):
        await again(made)
    await swept(made, after=61)
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_the_message_begins_at_once_and_leaves_the_rest_to_the_queue() -> None:
    """The first sixteen end where it is taken, with the cause."""
    made = world(role())
    for _ in range(40):
        await issued(made)
    made.clock.jump(300)
    await revoked(made)
    (message,) = made.revocations.recalls()
    assert 40 == await recall(made.ports, "message", message)
    assert 16 == sum(lease.state is State.ENDED for lease in made.leases.rows.values())
    assert [16, 8] == [len(batch.leases) for batch in made.revocations.messages()]
    for batch in made.revocations.messages():
        await end_due(made.ports, "message", batch)
    assert ({State.ENDED}, []) == (of(made, WEB), made.leftovers())
    assert {Cause.REVOKED} == {lease.cause for lease in made.leases.rows.values()}
    assert 0 == await recall(made.ports, "message", message)
    assert made.generations.rows[WEB].is_finished


async def recalling(count: int, **more: Any) -> tuple[World, int]:
    """So many leases of a role that was revoked, after its message was taken; and how many were met."""
    made = world(role(), **more)
    for _ in range(count):
        await issued(made)
    made.clock.jump(300)
    await revoked(made)
    (message,) = made.revocations.recalls()
    return made, await recall(made.ports, "message", message)


async def test_what_a_recall_has_no_time_for_it_leaves_to_another_message() -> None:
    """Of the same role, under an id of its own; the first sixteen end here all the same."""
    made, found = await recalling(40, timing=Timing(sweep=0.0))
    first, second = made.revocations.recalls()
    assert (16, WEB, True) == (found, second.role, first.id != second.id)
    assert [] == made.revocations.messages()


async def test_messages_of_a_recall_are_sent_a_little_apart() -> None:
    """Callers need the processor as well."""
    made, _ = await recalling(64)
    sent = [call.began for call in made.calls.named("revocations.send")[1:]]
    assert [0.1, 0.1] == pytest.approx([late - early for early, late in pairwise(sent)], abs=0.01)


async def test_a_recall_queues_nothing_that_is_in_the_queue_already() -> None:
    """A message that comes again meets them, and leaves them where they are."""
    made, found = await recalling(40)
    (message,) = made.revocations.recalls()
    assert (40, 24) == (found, await recall(made.ports, "message", message))
    assert [16, 8] == [len(batch.leases) for batch in made.revocations.messages()]


async def test_without_its_message_the_sweep_finds_them(scene: World) -> None:
    """The queue out of reach, or a death before the message: the generation's own row says that something is to be done."""
    scene.calls.fail("revocations.send", Unavailable())
    await revoked(scene)
    assert Summary(ended=3) == await sweep_on_time(scene.ports, "sweep")
    assert ({State.ENDED}, {State.ACTIVE}) == (of(scene, WEB), of(scene, OTHER))
    await sweep_on_time(scene.ports, "sweep")
    before = len(scene.calls.made)
    await sweep_on_time(scene.ports, "sweep")
    assert ["leases.due", "generations.all", "run_history.swept"] == scene.calls.names()[before:]


async def test_a_rise_during_the_look_is_not_taken_for_finished(scene: World) -> None:
    """Who found nothing of the generation before notes nothing of the present one."""
    await revoked(scene)
    await swept(scene)
    given = await issued(scene)
    scene.calls.meanwhile(len(scene.calls.made) + 4, lambda: revoked(scene))
    await swept(scene)
    assert not scene.generations.rows[WEB].is_finished
    await swept(scene, after=300)
    assert State.ENDED is stored(scene, given.lease.id).state


async def test_two_at_once_end_everything_once() -> None:
    """Whoever loses the write was in force all the same."""
    made = world(role(), latency=0.2)
    await issued(made)
    made.clock.jump(300)
    await asyncio.gather(revoked(made), revoked(made))
    (lease,) = made.leases.rows.values()
    assert lease.is_overtaken(made.generations.rows[WEB].number)
    await swept(made)
    assert 1 == made.audit.told().count(("end", "done"))


async def test_a_lease_that_is_over_anyhow_has_expired(scene: World) -> None:
    """Though its role was revoked since: nobody asks for the generation of what is due by itself."""
    scene.clock.jump(3600 * 4)
    await revoked(scene)
    before = len(scene.calls.made)
    await swept(scene)
    assert {Cause.EXPIRED} == {lease.cause for lease in scene.leases.rows.values()}
    assert "generations.get" not in scene.calls.names()[before:]


async def test_a_failed_attempt_keeps_its_pause(scene: World) -> None:
    """A lease that is ending is due when its next attempt is, whatever its role's generation."""
    scene.calls.fail("directory.delete_application", Unavailable(), times=100)
    await revoked(scene)
    await swept(scene)
    scene.calls.heal()
    assert Summary() == await swept(scene)
    assert {State.ENDING} == of(scene, WEB)
    assert 3 == (await swept(scene, after=60)).ended


async def test_poison_shows_them_as_stuck(scene: World) -> None:
    """As any other batch that fails too often."""
    await revoked(scene)
    batch = Batch(scene.ids.guid(), tuple(scene.leases.rows))
    assert 3 == await poison(scene.ports, "poison", batch)
    assert ({State.STUCK}, {State.ACTIVE}) == (of(scene, WEB), of(scene, OTHER))


async def test_a_generation_outlives_its_role(scene: World) -> None:
    """A role that is made again under the name does not take back what was revoked."""
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=True)
    scene.roles.keep(role())
    with pytest.raises(Conflict):
        await renew(scene.ports, request(), next(iter(scene.leases.rows)), None)
    assert 1 == (await issued(scene)).lease.generation


async def test_a_revoked_role_may_be_deleted_at_once(scene: World) -> None:
    """What is to end anyway keeps no role."""
    await revoked(scene)
    assert await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=False) is None


async def test_a_recall_of_a_role_that_nobody_has_revoked_finds_nothing(scene: World) -> None:
    """Whoever has written it."""
    assert 0 == await recall(scene.ports, "message", Recall(scene.ids.guid(), WEB))
    assert {State.ACTIVE} == of(scene, WEB)


@pytest.mark.parametrize("state", [State.PLANNED, State.ACTIVE])
async def test_a_lease_of_a_revoked_role_is_due_though_its_time_has_not_come(state: State) -> None:
    """Also one that is still being made, held by its worker."""
    made = world(role())
    lease = (await issued(made)).lease
    made.leases.rows[lease.id] = replace(lease, state=state, due_at=made.clock.now() + timedelta(seconds=60))
    await revoke_role(made.ports, request(ADMINISTRATOR), WEB)
    await swept(made)
    assert Cause.REVOKED is made.leases.rows[lease.id].cause
