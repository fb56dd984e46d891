"""A pool whose leases are claimed, looked at, refused and lost at the same time."""

from __future__ import annotations

import logging

import pytest

from shared.broker.configure.roles import delete_role, put_role
from shared.broker.ending.sweep import sweep
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.issue.preparations import UNFINISHED, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import fill
from shared.broker.pool.tampering import end_touched
from shared.core.errors import ConcurrentChange, LeaseholdError, Refused, TooMany, Unavailable, Unreachable, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.pool import Pool
from shared.core.preparing import TooManyPreparations
from shared.core.role import Target
from shared.kinds.pooling import FOREIGN, Trouble
from tests.fakes.world import ADMINISTRATOR, WEB, World, request, role, world
from tests.support.every_kind import TOKENS
from tests.support.kinds import read_role, write_role
from tests.support.operations import asking
from tests.support.pools import fill_up, in_state, pooled_target, take_messages

LATER = 600.0


async def test_the_secret_of_a_caller_that_claims_meanwhile_is_no_strangers(caplog: pytest.LogCaptureFixture) -> None:
    """The look sees it on what stood in the pool when the look began. Nobody is alarmed, and the caller keeps its lease."""
    caplog.set_level(logging.ERROR)
    scene = world(role(pooled_target(1)))
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    scene.clock.jump(LATER)
    before = len(scene.calls.made)
    await fill(scene.ports, "timer")
    number = [call.name for call in scene.calls.made[before:]].index("directory.look_at")
    scene.clock.jump(LATER)

    async def claim() -> None:
        assert pooled.id == (await issue(scene.ports, request(), IssueRequest(WEB))).lease.id

    scene.calls.meanwhile(len(scene.calls.made) + number + 1, claim)
    done = await fill(scene.ports, "timer")
    assert (1, 0) == (done.looked_at, done.tampered)
    assert State.ACTIVE is scene.leases.rows[pooled.id].state
    assert "pool_tampered" not in caplog.text
    assert [] == [event.code for event in scene.audit.events if event.operation == "reconcile"]


async def test_what_the_reconciliation_has_seen_of_a_lease_that_was_claimed_since_then_is_not_told() -> None:
    """The lease's row has changed; so whoever holds it knows better."""
    scene = world(role(pooled_target(1)))
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    await issue(scene.ports, request(), IssueRequest(WEB))
    assert await end_touched(scene.ports, "r", pooled, Trouble(FOREIGN)) is None
    assert State.ACTIVE is scene.leases.rows[pooled.id].state
    assert [] == [event.code for event in scene.audit.events if event.operation == "reconcile"]


@pytest.mark.parametrize(("failure", "ends"), [(Refused("no", status=403), True), (Unavailable("busy"), False)])
async def test_one_application_that_cannot_be_seen_hides_no_other(failure: Upstream, *, ends: bool) -> None:
    """If the broker may not read it any more, somebody has taken it away. If Azure has failed, the next filling looks."""
    scene = world(role(pooled_target(2, credential=TOKENS)))
    await fill_up(scene)
    unseen, touched = in_state(scene, State.POOLED)
    own = {each.unique_name: each for each in scene.cloud.applications.values()}
    scene.cloud.unseen[own[unseen.footprint.unique_name].object_id] = failure  # type: ignore[attr-defined]
    own[touched.footprint.unique_name].redirects = 1  # type: ignore[attr-defined]
    scene.clock.jump(LATER)
    done = await fill(scene.ports, "timer")
    assert (2, 2) == (done.looked_at, done.tampered) if ends else (1, 1) == (done.looked_at, done.tampered)
    assert Cause.TAMPERED is scene.leases.rows[touched.id].cause
    assert (Cause.TAMPERED if ends else None) is scene.leases.rows[unseen.id].cause
    if not ends:
        scene.cloud.unseen.clear()
        assert 1 == (await fill(scene.ports, "timer")).looked_at


async def test_callers_above_their_cap_do_not_empty_and_fill_the_pool() -> None:
    """Nothing is made in the place of a lease that goes back."""
    scene = world(role(pooled_target(2, credential=TOKENS), max_leases=1))
    await fill_up(scene)
    await issue(scene.ports, request(), IssueRequest(WEB))
    await take_messages(scene)
    await take_messages(scene)
    standing = [lease.id for lease in in_state(scene, State.POOLED)]
    for _ in range(3):
        with pytest.raises(TooMany):
            await issue(scene.ports, request(), IssueRequest(WEB))
        assert [] == scene.fillings.messages()
    await fill_up(scene)
    assert standing == [lease.id for lease in in_state(scene, State.POOLED)]


async def changed(scene: World, target: Target) -> None:
    """An administrator writes the role."""
    await put_role(scene.ports, request(ADMINISTRATOR), read_role(WEB, write_role(role(target))))


@pytest.mark.parametrize("deleted", [True, False])
async def test_what_no_hint_leads_to_ends_with_the_pool(*, deleted: bool) -> None:
    """The worker that made the lease died before its hint: it must not keep its rights for days."""
    scene = world(role(pooled_target(1, credential=TOKENS)))
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    scene.pools.rows.clear()
    if deleted:
        await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=False)
    else:
        await changed(scene, pooled_target(1, credential=TOKENS, pool=Pool(0)))
    await fill(scene.ports, "timer")
    ended: Lease = scene.leases.rows[pooled.id]
    assert (State.ENDING, Cause.DRAINED) == (ended.state, ended.cause)
    assert {} == scene.pools.filled


async def test_an_assignment_whose_answer_was_lost_is_looked_for_until_it_must_show() -> None:
    """It was made for the claim, and a replica may not show it yet. Nothing is left once the lease has ended."""
    scene = world(role(pooled_target(1, pool=Pool(1, assigned=False), ready="none")))
    await fill_up(scene)
    scene.clock.jump(LATER)
    scene.cloud.lag = 150.0
    scene.calls.fail("authorization.assign", Unreachable("no answer"), times=99, after=True)
    with pytest.raises(LeaseholdError):
        await issue(scene.ports, request(), IssueRequest(WEB))
    scene.calls.heal()
    for _ in range(10):
        scene.clock.jump(LATER)
        await sweep(scene.ports, "sweep")
    assert {} == scene.cloud.assignments


@pytest.mark.parametrize("size", [0, 1])
async def test_what_may_have_been_made_is_undone_although_the_ask_is_refused(size: int) -> None:
    """The answer of the first call was lost, time ran out, and the caller has too many leases that it did not collect.

    A lease that was opened for the caller is not forgotten, and one of the pool does not go back with a secret in it.
    """
    scene = world(role(pooled_target(size)))
    await fill_up(scene)
    for _ in range(UNFINISHED):
        lease = await asking(scene)
        await prepare(scene.ports, "worker", lease.id)
    scene.preparations.take(), scene.fillings.take()
    await fill_up(scene)
    known, standing = {*scene.leases.rows}, [lease.id for lease in in_state(scene, State.POOLED)]
    assert size == len(standing)
    call = "directory.add_secret" if size else "directory.upsert_application"
    scene.calls.fail(call, Unreachable("no answer"), after=True)
    scene.calls.fail(call, ConcurrentChange("busy"), times=99)
    with pytest.raises(TooManyPreparations):
        await issue(scene.ports, request(), IssueRequest(WEB), preference=Preference(wait=5))
    scene.calls.heal()
    for _ in range(2):
        scene.clock.jump(200)
        await sweep(scene.ports, "sweep")
    (asked,) = {*standing} or {*scene.leases.rows} - known
    assert State.ENDED is scene.leases.rows[asked].state
    live = {lease.footprint.unique_name for lease in scene.leases.rows.values() if lease.state.is_live}  # type: ignore[attr-defined]
    assert live == {each.unique_name for each in scene.cloud.applications.values()} - {""}


async def test_a_lease_that_is_done_while_the_pool_is_counted_is_counted() -> None:
    """It is neither seen too early nor too late: else one more is made, and then the oldest is thrown away."""
    scene = world(role(pooled_target(1, credential=TOKENS)))
    await fill(scene.ports, "timer")
    before = len(scene.calls.made)
    await fill(scene.ports, "timer")
    lists = [n for n, call in enumerate(scene.calls.made[before:], 1) if call.name == "leases.list"]
    assert 2 == len(lists)
    scene.calls.meanwhile(len(scene.calls.made) + lists[1], lambda: take_messages(scene))
    assert 0 == (await fill(scene.ports, "timer")).opened
    assert 1 == len(in_state(scene, State.POOLED))
