"""A place that the broker cannot see any more proves nothing: what is there is neither told as gone nor forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.force import revoke_as_operator
from shared.broker.reconcile.reconcile import Result
from shared.broker.revoke import revoke
from shared.core.errors import Locked, OutOfReach, Refused
from shared.core.lease import Lease, State
from shared.core.ports.documents import ANY
from tests.broker.drifting import HOUR, reconciled, results, scene
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import (
    ADMINISTRATOR,
    EXISTING,
    GROUPS,
    SCOPES,
    WEB,
    World,
    principal_target,
    request,
    role,
    secret_target,
)

UNKNOWN = [
    OutOfReach(status=404, azure_code="SubscriptionNotFound"),
    OutOfReach(status=404, azure_code="InvalidSubscriptionId"),
    OutOfReach(status=404),
    Refused(status=403, azure_code="AuthorizationFailed"),
]
REFUSED = [
    Refused(status=409, azure_code="ReadOnlyDisabledSubscription"),
    Refused(status=409, azure_code="DisallowedOperation"),
    Refused(status=409, azure_code="SubscriptionNotRegistered"),
    Refused(status=400, azure_code="BadRequestFormat"),
    Locked("the scope is locked", status=409, azure_code="ScopeLocked"),
]


async def revoked(made: World) -> Lease:
    """By its holder."""
    return await revoke(made.ports, request(), stored(made).id)


@pytest.mark.parametrize("answer", [*UNKNOWN, *REFUSED], ids=lambda each: f"{each.status} {each.azure_code}")
async def test_a_lease_whose_subscription_is_lost_has_not_ended(answer: Refused) -> None:
    """What can be taken back is; the scope is named, and the lease ends when it is seen again."""
    made = scene(principal_target(roles=1, groups=1))
    await issued(made)
    made.clock.jump(HOUR)
    made.calls.fail("authorization.unassign", answer, times=3)
    for _ in range(3):
        lease = await revoked(made)
        assert (State.ENDING, True) == (lease.state, lease.last_error.endswith(f" at {SCOPES[0]}"))
    assert {SCOPES[0]} == {found.scope for found in made.cloud.assignments}
    assert not made.cloud.applications.keys() - {"00000200-0000-4000-8000-000000000000"}
    await swept(made, after=HOUR)
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_reconciliation_looks_where_leases_were_that_are_not_forgotten() -> None:
    """The role points elsewhere by now; a forced end has left an assignment behind."""
    made = scene(principal_target(roles=1, groups=0))
    given = await issued(made)
    stored = dict(made.cloud.assignments)
    made.clock.jump(HOUR)
    await revoked(made)
    made.cloud.assignments.update(stored)
    elsewhere = principal_target(roles=2, groups=0)
    made.roles.keep(role(replace(elsewhere, azure_roles=elsewhere.azure_roles[1:])))
    done = await reconciled(made, after=2 * HOUR)
    assert [("assignment", Result.REMOVED)] == results(done)
    assert (given.lease.id, {}) == (done.findings[0].lease, made.cloud.assignments)


async def test_a_secret_is_found_on_an_application_that_no_role_names_any_more() -> None:
    """As above: the secret of a forced end."""
    made = scene(secret_target())
    given = await issued(made)
    held = made.cloud.applications[EXISTING].secrets
    stored = dict(held)
    made.clock.jump(HOUR)
    await revoked(made)
    held.update(stored)
    made.roles.keep(role(principal_target(roles=1, groups=0)))
    done = await reconciled(made, after=2 * HOUR)
    assert [("application_secret", Result.REMOVED)] == results(done)
    assert (given.lease.id, {}) == (done.findings[0].lease, held)


@pytest.mark.parametrize("gone", [True, False])
async def test_memberships_are_found_in_groups_that_no_role_names_any_more(*, gone: bool) -> None:
    """They are taken back before the principal goes, as at any end."""
    made = scene(principal_target(roles=0, groups=2))
    await issued(made)
    made.clock.jump(HOUR)
    for name in ("remove_member", "delete_principal", "delete_application"):
        made.calls.fail(f"directory.{name}", Refused(status=403), times=50)
    await revoked(made)
    await revoke_as_operator(made.ports, request(ADMINISTRATOR), stored(made).id, force=True)
    assert State.ENDED is stored(made).state
    made.calls.heal()
    if gone:
        await made.roles.delete(WEB, expected=ANY)
    else:
        made.roles.keep(role(principal_target(roles=0, groups=1)))
    before = len(made.calls.made)
    done = await reconciled(made, after=2 * HOUR)
    left = {call.about[0] for call in made.calls.made[before:] if call.name == "directory.remove_member"}
    assert ([("application", Result.REMOVED)], set(GROUPS[:2]), []) == (results(done), left, made.leftovers())


async def test_a_role_that_is_gone_hides_nothing_of_its_leases() -> None:
    """As long as their records are kept."""
    made = scene(principal_target(roles=1, groups=0))
    await issued(made)
    await made.roles.delete(WEB, expected=ANY)
    before = len(made.calls.made)
    await reconciled(made)
    looked = [call.about[0] for call in made.calls.made[before:] if call.name == "inventory.assignments_at"]
    assert [SCOPES[0]] == looked
