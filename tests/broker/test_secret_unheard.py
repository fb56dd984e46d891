"""A secret whose answer was lost: it works, and nobody knows it. It is removed before the lease is handed out."""

from __future__ import annotations

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.revoke import revoke
from shared.core.errors import Unavailable, Unreachable
from shared.core.lease import State
from tests.broker.preparing import asked, taken, unproven
from tests.fakes.own_identity import SYSTEM_ASSIGNED
from tests.fakes.world import WEB, World, principal_target, request, role, world
from tests.support.deliveries import lying, to_a_vault
from tests.support.every_kind import works
from tests.support.pools import fill_up, pooled_target

WANTED = IssueRequest(WEB)


async def scene_of(size: int) -> World:
    """A role with so many leases in its pool. The answer to the first call for a secret is lost."""
    scene = world(role(pooled_target(size)))
    await fill_up(scene)
    scene.calls.fail("directory.add_secret", Unreachable(), after=True)
    return scene


def secrets(scene: World) -> int:
    """The number of secrets that leases have."""
    return sum(len(each.secrets) for each in scene.cloud.applications.values() if each.wanted is not None)


@pytest.mark.parametrize("size", [0, 1], ids=["new", "claimed"])
async def test_a_lease_is_handed_out_with_the_one_secret_that_it_names(size: int) -> None:
    """Also one of a pool, whose principal is to have no secret that no lease names."""
    scene = await scene_of(size)
    made = await issue(scene.ports, request(), WANTED)
    assert 2 == scene.calls.names().count("directory.add_secret")
    assert 1 == secrets(scene)
    assert works(scene, made.credential)


async def test_where_every_answer_comes_nothing_is_listed() -> None:
    """An issue takes no call more."""
    scene = world(role(pooled_target(0)))
    await issue(scene.ports, request(), WANTED)
    assert "directory.secrets_named" not in scene.calls.names()


@pytest.mark.parametrize("failing", ["directory.secrets_named", "directory.remove_secret"])
async def test_a_removal_that_fails_is_made_by_the_next_repeat(failing: str) -> None:
    """The caller has its lease, and the lease knows that there may be another secret."""
    scene = await scene_of(0)
    scene.calls.fail(failing, Unavailable(), times=100)
    made = await issue_once(scene.ports, request(), WANTED, "k")
    assert 2 == secrets(scene)
    scene.calls.heal()
    again = await issue_once(scene.ports, request(), WANTED, "k")
    assert 1 == secrets(scene)
    assert (made.lease.id, True) == (again.lease.id, works(scene, again.credential))


async def test_a_removal_that_fails_leaves_nothing_after_the_end() -> None:
    """The application takes its secrets along."""
    scene = await scene_of(0)
    scene.calls.fail("directory.secrets_named", Unavailable(), times=100)
    made = await issue(scene.ports, request(), WANTED)
    scene.calls.heal()
    await revoke(scene.ports, request(), made.lease.id)
    assert [] == scene.leftovers()


@pytest.mark.parametrize("size", [0, 1], ids=["new", "claimed"])
async def test_what_is_not_proven_in_time_leaves_no_secret(size: int) -> None:
    """Neither the one that was heard of nor the other."""
    scene = await scene_of(size)
    with unproven():
        made = await issue(scene.ports, request(), WANTED, preference=Preference(wait=10))
    assert isinstance(made, Accepted)
    assert 0 == secrets(scene)


@pytest.mark.parametrize("is_trusted", [True, False], ids=["principal proven before", "secret proven alone"])
async def test_a_delivered_lease_that_a_worker_makes_has_the_one_secret_that_it_names(*, is_trusted: bool) -> None:
    """The worker knows the application that it has just made: its lease's row does not name it yet."""
    scene = to_a_vault(principal_target(1, 0, ready="token"))
    scene.cloud.broker = scene.cloud.broker if is_trusted else SYSTEM_ASSIGNED
    scene.calls.fail("directory.add_secret", Unreachable(), after=True)
    assert isinstance(await asked(scene), Accepted)
    lease = await taken(scene)
    assert lease is not None
    assert State.ACTIVE is lease.state
    assert lying(scene, lease)
    assert 1 == secrets(scene)
