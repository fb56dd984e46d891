"""What a kind may offer to those who do not wait: a proof before there is a credential, and a credential for good."""

from __future__ import annotations

import pytest

from shared.broker.issue.preparations import Preference
from shared.core.errors import Gone
from shared.core.lease import State
from shared.kinds.proof import Proof
from tests.broker.preparing import asked, collected, handed_out, prepared, taken
from tests.broker.scenes import swept
from tests.fakes.world import role, world
from tests.support.every_kind import kinds_for
from tests.support.operations import TARGETS
from tests.support.toy_kind import BadgeIssuer


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


async def _not_yet(*_: object, deadline: float, again: bool) -> Proof:
    return Proof(works=again and deadline < 0)
