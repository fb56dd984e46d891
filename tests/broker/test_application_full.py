from __future__ import annotations

import pytest

from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.revoke import revoke
from shared.core.errors import Conflict, Full, LeaseholdError
from shared.core.lease import State
from tests.fakes.world import BOB, EXISTING, WEB, World, request, role, secret_target, world


def scene(audience: str = "PersonalMicrosoftAccount") -> World:
    """A role over an application with room for two secrets."""
    made = world(role(secret_target(), ttl=300))
    made.cloud.applications[EXISTING].sign_in_audience = audience
    return made


async def issued(made: World) -> Issued:
    """Alice issues."""
    return await issue(made.ports, request(), IssueRequest(WEB))


async def test_an_issue_from_a_full_application_leaves_no_lease() -> None:
    """Nothing was made, so there is nothing to look after; what others hold stays."""
    made = scene()
    held = {(await issued(made)).lease.id for _ in range(2)}
    with pytest.raises(Conflict) as caught:
        await issued(made)
    assert "application_full" == caught.value.stable_code
    assert held == set(made.leases.rows)
    assert held == {thing.owner for thing in made.leftovers()}


async def test_an_application_has_room_again_when_a_lease_has_ended() -> None:
    """No count is kept: each issue asks."""
    made = scene()
    first = await issued(made)
    await issue(made.ports, request(BOB), IssueRequest(WEB))
    with pytest.raises(Conflict):
        await issued(made)
    await revoke(made.ports, request(), first.lease.id)
    assert State.ACTIVE is (await issued(made)).lease.state


async def test_an_application_that_entra_calls_full_leaves_no_lease_either() -> None:
    """The refusal was definite."""
    made = scene("AzureADMyOrg")
    made.calls.fail("applications.add_secret", Full())
    with pytest.raises(Conflict):
        await issued(made)
    assert ({}, []) == (made.leases.rows, made.leftovers())


async def test_a_storage_that_fails_when_the_lease_is_forgotten_leaves_it_to_the_sweep() -> None:
    """The sweep finds the lease, and nothing to undo."""
    made = scene()
    for _ in range(2):
        await issued(made)
    made.calls.fail("leases.remove", LeaseholdError())
    with pytest.raises(LeaseholdError):
        await issued(made)
    assert [State.PLANNED] == [lease.state for lease in made.leases.rows.values() if lease.state is not State.ACTIVE]
