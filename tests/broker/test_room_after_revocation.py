"""A role's ``max_leases`` and the revocation of all its leases: what is revoked takes no room, from the same write on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.broker.configure.roles import delete_role
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.revoke import revoke_role
from shared.core.errors import Interrupted, TooMany
from shared.core.lease import State
from tests.broker.scenes import issued, swept
from tests.broker.test_admission import at_once, capped, workers
from tests.fakes.world import ADMINISTRATOR, WEB, World, request, role

ASTRAY = ((0.0,), (0.0, 5.0), (-2.5, 2.5, 0.0))
"""The clocks of one worker, of two, and of three."""


async def revoked(scene: World) -> None:
    """By an admin; nobody takes the message, so no lease's row changes."""
    await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)


def usable(scene: World) -> list[str]:
    """The ids of the leases that are active and not revoked."""
    generation = scene.generations.rows[WEB].number if WEB in scene.generations.rows else 0
    rows = scene.leases.rows.values()
    return [lease.id for lease in rows if lease.state is State.ACTIVE and not lease.is_overtaken(generation)]


@pytest.mark.parametrize("astray", ASTRAY)
@pytest.mark.parametrize(("most", "asked"), [(1, 8), (3, 6), (5, 5), (5, 20)])
async def test_a_revoked_role_is_filled_anew_at_once(most: int, asked: int, astray: tuple[float, ...]) -> None:
    """As often as it is revoked: exactly the cap is served again, although every former lease still stands as active."""
    scene = capped(most, latency=0.05)
    for lock in range(1, 4):
        served, refused = await at_once(asked, *workers(scene, *astray))
        assert (most, asked - most) == (len(served), len(refused))
        assert {each.lease.id for each in served} == set(usable(scene))
        assert most * lock == sum(lease.state is State.ACTIVE for lease in scene.leases.rows.values())
        await revoked(scene)
        assert [] == usable(scene)


async def test_the_fan_out_gives_no_room_a_second_time() -> None:
    """When the former leases have really ended, the role is as full as before."""
    scene = capped(2)
    await at_once(2, scene.ports)
    await revoked(scene)
    served, _ = await at_once(4, scene.ports)
    await swept(scene, after=1)
    assert {each.lease.id for each in served} == {lease.id for lease in scene.leases.rows.values() if lease.state.is_live}
    with pytest.raises(TooMany):
        await issued(scene)


async def test_a_role_that_was_deleted_with_its_leases_is_filled_anew() -> None:
    """One that is made again under the name has all of its room."""
    scene = capped(2)
    await at_once(2, scene.ports)
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=True)
    scene.roles.keep(role(max_leases=2))
    served, refused = await at_once(5, scene.ports)
    assert (2, 3) == (len(served), len(refused))


@pytest.mark.parametrize("ordinal", range(1, 68, 2))
async def test_a_revocation_amid_many_issues_leaves_the_cap_true(ordinal: int) -> None:
    """At whatever instant it comes: who is admitted before it takes no room after it, who comes after it is counted."""
    scene = capped(2)
    scene.calls.meanwhile(ordinal, lambda: revoked(scene))
    asks = [issue(each, request(), IssueRequest(WEB)) for each in workers(scene, 0.0, 5.0) * 3]
    results: list[Any] = await asyncio.gather(*asks, return_exceptions=True)
    assert len(results) == sum(isinstance(each, Issued | TooMany | Interrupted) for each in results), results
    assert 1 == scene.generations.rows[WEB].number
    served, _ = await at_once(6, *workers(scene, 5.0, 0.0))
    assert 2 == len(usable(scene))
    assert {each.lease.id for each in served} <= set(usable(scene))
