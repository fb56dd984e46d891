from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.access.bounds import Bounds
from shared.core.errors import Conflict, Forbidden, LeaseholdError, Malformed, NotFound, Unavailable
from shared.core.lease import Lease
from shared.core.names import LeaseId
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, BOB, WATCHER, World, request, role, world


@pytest.fixture
async def scene() -> World:
    """One lease of 900 s, issued ten minutes ago, of an hour at most."""
    made = world(role(max_ttl=3600))
    await issued(made)
    made.clock.jump(600)
    return made


async def renewed(scene: World, increment: int | None = None) -> Lease:
    """Alice renews."""
    return await renew(scene.ports, request(), stored(scene).id, increment)


@pytest.mark.parametrize(("increment", "expected"), [(None, 1500), (1200, 1800), (60, 900), (3000, 3600), (10**6, 3600)])
async def test_the_end_moves_by_the_increment_within_its_bounds(scene: World, increment: int | None, expected: int) -> None:
    """From now, by what was asked for at first unless told; never earlier, never past the maximum."""
    lease = await renewed(scene, increment)
    assert START + timedelta(seconds=expected) == lease.expires_at == lease.due_at
    assert lease == stored(scene)


async def test_renewing_calls_azure_not_at_all(scene: World) -> None:
    """The credential stays as it is."""
    before = len(scene.calls.made)
    await renewed(scene)
    assert {"leases", "roles", "generations", "access", "audit"} == {call.service for call in scene.calls.made[before:]}
    assert ("renew", "done") == scene.audit.told()[-1]
    assert AZURE.isdisjoint(call.service for call in scene.calls.made[before:])


async def test_a_role_that_has_become_stricter_binds_a_renewal(scene: World) -> None:
    """Its new maximum counts from the lease's issue."""
    scene.roles.keep(role(max_ttl=1200))
    assert START + timedelta(seconds=1200) == (await renewed(scene, 3000)).expires_at


async def test_a_role_whose_maximum_has_passed_does_not_shorten_a_lease(scene: World) -> None:
    """It is only not made longer."""
    scene.roles.keep(role(ttl=60, max_ttl=60))
    assert START + timedelta(seconds=900) == (await renewed(scene, 3000)).expires_at


async def test_the_decision_is_made_anew(scene: World) -> None:
    """Whoever may not issue any more may not renew either."""
    scene.roles.keep(role(max_ttl=3600, bounds=Bounds(frozenset({BOB.object_id}))))
    with pytest.raises(Forbidden):
        await renewed(scene)


@pytest.mark.parametrize("caller", [BOB, WATCHER])
async def test_another_callers_lease_reads_like_none(scene: World, caller: object) -> None:
    """Whoever does not hold it cannot tell that it exists."""
    result = []
    for lease_id in (stored(scene).id, LeaseId("web.00000000000000000000000000")):
        with pytest.raises(NotFound) as caught:
            await renew(scene.ports, replace(request(), caller=caller), lease_id, None)  # type: ignore[arg-type]  # a caller
        result.append(caught.value.detail)
    assert result[0] == result[1]


async def test_an_admin_may_renew_anybodys(scene: World) -> None:
    """It has everything."""
    lease = await renew(scene.ports, request(ADMINISTRATOR), stored(scene).id, 1200)
    assert START + timedelta(seconds=1800) == lease.expires_at


async def test_an_expired_lease_is_not_renewed_though_no_sweep_has_come_yet(scene: World) -> None:
    """Its end has passed."""
    scene.clock.jump(300)
    with pytest.raises(Conflict) as caught:
        await renewed(scene)
    assert ("lease_not_active", "The lease is expired.") == (caught.value.stable_code, caught.value.detail)


async def test_a_revoked_lease_is_not_renewed(scene: World) -> None:
    """It has ended."""
    await revoke(scene.ports, request(), stored(scene).id)
    with pytest.raises(Conflict) as caught:
        await renewed(scene)
    assert "lease_not_active" == caught.value.stable_code


async def test_a_lease_that_is_not_renewable_is_not_renewed() -> None:
    """Its role said so when it was issued."""
    scene = world(role(renewable=False))
    await issued(scene)
    with pytest.raises(Conflict) as caught:
        await renewed(scene)
    assert "not_renewable" == caught.value.stable_code


async def test_an_increment_below_a_minute_is_refused(scene: World) -> None:
    """As any ttl."""
    with pytest.raises(Malformed) as caught:
        await renewed(scene, 59)
    assert [("increment", "ttl_out_of_range")] == [(fault.path, caught.value.stable_code) for fault in caught.value.faults]


async def test_two_renewals_at_once_both_succeed(scene: World) -> None:
    """The loser tries again on what the winner left."""
    scene.calls.meanwhile(len(scene.calls.made) + 3, lambda: renewed(scene, 2000))
    lease = await renewed(scene, 1000)
    assert START + timedelta(seconds=2600) == lease.expires_at


async def test_a_renewal_that_always_loses_gives_up(scene: World) -> None:
    """And says that the lease is busy."""

    async def again() -> None:
        await scene.leases.swap(stored(scene), former=stored(scene))
        scene.calls.meanwhile(len(scene.calls.made) + 3, again)

    scene.calls.meanwhile(len(scene.calls.made) + 3, again)
    with pytest.raises(LeaseholdError) as caught:
        await renewed(scene)
    assert "lease_busy" == caught.value.stable_code


async def test_a_renewed_lease_is_not_swept_at_its_former_end(scene: World) -> None:
    """But at its new one."""
    await renewed(scene, 1200)
    assert 0 == (await swept(scene, after=400)).ended
    assert 1 == (await swept(scene, after=900)).ended


async def test_a_renewal_that_is_not_recorded_is_an_error(scene: World) -> None:
    """Though the lease has been renewed, nobody is told so without a trace."""
    scene.calls.fail("audit.record", Unavailable())
    with pytest.raises(Unavailable):
        await renewed(scene)
