"""Collecting leases of each kind of credential, and of kinds that can do more."""

from __future__ import annotations

import pytest

from shared.broker.issue.preparations import Preference
from shared.core.errors import Gone
from shared.core.lease import State
from shared.core.role import Target
from tests.broker.preparing import asked, collected, handed_out, prepared, taken
from tests.broker.scenes import swept
from tests.fakes.world import principal_target, role, world
from tests.support.every_kind import WITH_SECRETS, kinds_for, works
from tests.support.operations import TARGETS
from tests.support.toy_kind import BadgeIssuer

EACH_SECRET = pytest.mark.parametrize("target", [pytest.param(TARGETS[kind], id=kind) for kind in WITH_SECRETS])
PROVEN = principal_target(1, 0, ready="token")


@pytest.mark.parametrize("target", [pytest.param(target, id=kind) for kind, target in TARGETS.items()])
async def test_every_kind_can_be_collected(target: Target) -> None:
    """Also one without a secret, and one whose secret lies on an application that others use."""
    scene = world(role(target), kinds=kinds_for(target))
    await prepared(scene)
    given = await handed_out(scene)
    assert works(scene, given.credential)


async def test_a_credential_that_takes_no_write_is_collected_as_long_as_the_lease_is_active() -> None:
    """The same one, whenever."""
    target = TARGETS["badge"]
    scene = world(role(target, ttl=3000), kinds=kinds_for(target))
    await prepared(scene)
    first = await handed_out(scene)
    scene.clock.jump(2900)
    again = await handed_out(scene, Preference(wait=5))
    assert first.credential == again.credential
    scene.clock.jump(100)
    with pytest.raises(Gone):
        await collected(scene)


async def test_a_kind_that_can_is_proven_before_there_is_a_credential() -> None:
    """Until it is seen to work, the lease is not prepared. If it never is, the lease ends."""
    target = TARGETS["badge"]
    scene = world(role(target), kinds=kinds_for(target))
    await asked(scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BadgeIssuer, "prove_prepared", _not_yet)
        lease = await taken(scene)
        assert lease is not None
        assert (State.PLANNED, True) == (lease.state, lease.is_queued)
        await swept(scene, after=15)
    lease = await taken(scene)
    assert lease is not None
    assert (State.PREPARED, scene.clock.now()) == (lease.state, lease.ready_at)


async def _not_yet(*_: object, deadline: float) -> bool:
    return deadline < 0
