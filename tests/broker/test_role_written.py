"""A role that is written between the decision and the lease: the ask is decided on again, by the role of now."""

from __future__ import annotations

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest, issue
from shared.core.errors import Interrupted
from shared.core.lease import Cause, Lease, State
from shared.core.limits import Limits
from tests.fakes.calls import MadeCall
from tests.fakes.world import WEB, World, request, role, world
from tests.support.every_kind import TOKENS, works
from tests.support.pools import fill_up, in_state, pooled_target, take_messages


def writing(scene: World, times: int, *, size: int = 1) -> None:
    """From now on the role is written, with other tags, as soon as a lease is stored for the caller: so many times."""
    left = [*range(times)]

    def write(call: MadeCall) -> None:
        lease = call.about[0] if call.name in {"leases.open", "leases.swap"} else None
        if isinstance(lease, Lease) and lease.state is State.PLANNED and lease.holder is not None and left:
            tag = f"written:{left.pop()}"
            scene.roles.keep(role(pooled_target(size, credential=TOKENS, tags=(tag,))))

    scene.calls.watch = write


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cold_ask_is_answered_by_the_role_of_now(times: int) -> None:
    """What was opened before is gone, as if it had never been."""
    scene = world(role(pooled_target(0, credential=TOKENS)))
    writing(scene, times, size=0)
    made = await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    assert [made.lease.id] == [*scene.leases.rows]
    (application,) = [each for each in scene.cloud.applications.values() if each.wanted is not None]
    assert application.wanted is not None
    assert "written:0" in application.wanted.tags
    assert works(scene, made.credential)


async def test_what_was_claimed_goes_back_and_is_drained() -> None:
    """It does not fit the role any more, and nobody gets it."""
    scene = world(role(pooled_target(1, credential=TOKENS)))
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    writing(scene, 1)
    made = await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    assert pooled.id != made.lease.id
    assert works(scene, made.credential)
    assert scene.leases.rows[pooled.id].holder is None
    await fill_up(scene)
    await sweep(scene.ports, "sweep")
    assert (State.ENDED, Cause.DRAINED) == (scene.leases.rows[pooled.id].state, scene.leases.rows[pooled.id].cause)


@pytest.mark.parametrize("key", [f"run-{number}" for number in range(8)])
@pytest.mark.parametrize("size", [0, 1])
async def test_a_key_stands_for_the_lease_that_is_answered(size: int, key: str) -> None:
    """Not for that which was opened before, whether the key lies in its partition or not."""
    scene = world(role(pooled_target(size, credential=TOKENS)))
    await fill_up(scene)
    writing(scene, 1, size=size)
    wanted = IssueRequest(WEB, ask=scene.ask)
    first = await issue_once(scene.ports, request(), wanted, key)
    again = await issue_once(scene.ports, request(), wanted, key)
    assert first.lease.id == again.lease.id
    assert 1 == len([lease for lease in scene.leases.rows.values() if lease.holder is not None and lease.state.is_live])


@pytest.mark.parametrize("size", [0, 1])
async def test_a_role_that_is_written_again_and_again_issues_nothing(size: int) -> None:
    """The caller is told to come again, and nothing is left that is not the pool's."""
    scene = world(role(pooled_target(size, credential=TOKENS)))
    await fill_up(scene)
    writing(scene, 100, size=size)
    with pytest.raises(Interrupted):
        await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    assert [] == [lease for lease in scene.leases.rows.values() if lease.holder is not None]


async def test_an_ask_counts_once_however_often_it_is_decided_on() -> None:
    """Of two in a minute, the second has room."""
    scene = world(role(pooled_target(0, credential=TOKENS)), limits=Limits(issues_per_minute=2))
    writing(scene, 2, size=0)
    for _ in range(2):
        await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))


async def test_a_role_without_its_pool_has_its_lease_made() -> None:
    """The role of now has none."""
    scene = world(role(pooled_target(1, credential=TOKENS)))
    await fill_up(scene)
    (pooled,) = in_state(scene, State.POOLED)
    writing(scene, 1, size=0)
    made = await issue(scene.ports, request(), IssueRequest(WEB, ask=scene.ask))
    assert pooled.id != made.lease.id
    await take_messages(scene)
    assert works(scene, made.credential)
