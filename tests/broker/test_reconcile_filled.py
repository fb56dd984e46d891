"""Reconciling where leases alone know the scopes: those of roles with holes, filled, and narrowed ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.issue.asking import AskedFor
from shared.broker.reconcile.reconcile import Result
from shared.core.footprint import Assignment
from shared.core.names import Scope
from tests.broker.drifting import HOUR, reconciled, results
from tests.broker.scenes import issued
from tests.fakes.world import SCOPES, World, guid, principal_target, role, world
from tests.support.holes import FILLED, GROUP_SCOPE, STORAGE, VALUES, asking, group, target
from tests.support.kinds import as_principal

BELOW = Scope(f"{SCOPES[0]}/{STORAGE}/logs1")
LASTS = 6 * 3600


async def orphan(made: World, ask: AskedFor) -> Assignment:
    """Returns an assignment of a lease of which no record is left, and nothing else of it either."""
    lease = (await issued(made, ask=ask)).lease
    del made.leases.rows[lease.id]
    made.calls.made.clear()
    footprint = as_principal(lease.footprint)
    made.cloud.delete_principal(footprint.principal_id or guid(0))
    made.cloud.delete_application(footprint.application_id or guid(0))
    made.cloud.bin.clear()
    return footprint.assignments[0]


@pytest.mark.parametrize(
    ("made", "ask", "scope"),
    [
        (world(role(target(), ttl=LASTS, max_ttl=LASTS)), asking(**VALUES), FILLED),
        (world(role(principal_target(1, 0), ttl=LASTS, max_ttl=LASTS)), asking(BELOW), BELOW),
    ],
    ids=["filled", "narrowed"],
)
async def test_an_orphan_at_a_scope_of_a_live_lease_is_found(made: World, ask: AskedFor, scope: Scope) -> None:
    """The role names no such scope. What belongs to the lease stays."""
    await issued(made, ask=ask)
    before = {*made.cloud.assignments}
    lost = await orphan(made, ask)
    assert lost.scope == scope
    assert [Result.REMOVED] == [result for _, result in results(await reconciled(made, after=2 * HOUR))]
    assert lost not in made.cloud.assignments
    assert before == {*made.cloud.assignments}
    assert scope in {call.about[0] for call in made.calls.named("inventory.assignments_at")}


async def test_scopes_that_are_listed_are_looked_at_without_a_lease() -> None:
    """The role says which they may be. Those of patterns nobody knows, and no template is ever asked for."""
    listed = target({"group": {"kind": "resource_group", "allowed": ["one", "two"]}}, GROUP_SCOPE)
    made = world(role(listed), role(target(), role().name.parse("other")))
    lost = await orphan(made, asking(group="two"))
    await reconciled(made, after=2 * HOUR)
    assert lost not in made.cloud.assignments
    looked = {str(call.about[0]) for call in made.calls.named("inventory.assignments_at")}
    assert {group("one"), group("two")} == looked
    assert not [scope for scope in looked if "{" in scope]


async def test_a_lease_of_a_role_that_has_other_holes_now_is_left_alone() -> None:
    """It has what it was granted, until its end."""
    made = world(role(target(), ttl=LASTS, max_ttl=LASTS))
    lease = (await issued(made, ask=asking(**VALUES))).lease
    made.roles.keep(role(replace(principal_target(1, 0)), ttl=LASTS, max_ttl=LASTS))
    assert [] == results(await reconciled(made, after=2 * HOUR))
    assert made.leases.rows[lease.id].state.is_open
