"""Scopes that roles name and that somebody has deleted: the status tells them to the operator."""

from __future__ import annotations

import pytest

from shared.broker.inspect import status
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import reconcile
from shared.core.audit import Outcome
from shared.core.errors import Absent, LeaseholdError, Unavailable
from shared.core.names import Scope
from shared.core.parameters.errors import TargetMissing
from shared.core.ports.inventory import ScopeState
from tests.broker.scenes import issued
from tests.fakes.world import ADMINISTRATOR, SCOPES, SUBSCRIPTION, WATCHER, WEB, World, principal_target, request, role, world
from tests.support.holes import GROUP, STORAGE, asking, group, target

FIXED = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/fixed"
ACCOUNT = {"account": {"kind": "storage_account", "any": True}}
BELOW_FIXED = f"{FIXED}/{STORAGE}/{{account}}"


async def told(made: World) -> dict[str, list[str]]:
    """Returns what the status says of scopes that are gone."""
    found = (await status(made.ports, request(ADMINISTRATOR))).scopes_gone
    return {name: [f"{fault.path} {fault.message.partition(' ')[0]}" for fault in faults] for name, faults in found.items()}


async def refused(made: World, **values: str) -> LeaseholdError:
    """Alice asks, and what the role needs is not there."""
    with pytest.raises((TargetMissing, Absent)) as refusal:
        await issue(made.ports, request(), IssueRequest(WEB, ask=asking(**values)))
    return refusal.value


def looked(made: World) -> list[str]:
    """Returns what the audit trail has of it."""
    return [each.reason for each in made.audit.events if each.operation == "look_for_scopes" and each.outcome is Outcome.DONE]


async def test_a_constant_part_that_is_gone_is_told_to_the_operator() -> None:
    """The caller has named nothing of it, and learns no more than that."""
    made = world(role(target(ACCOUNT, BELOW_FIXED)))
    assert {} == await told(made)
    made.inventory.missing = {Scope(FIXED): ScopeState.NO_GROUP}
    refusal = await refused(made, account="logs1")
    assert isinstance(refusal, TargetMissing)
    assert () == refusal.faults
    assert {WEB: [f"azure_roles[0].scope {FIXED}"]} == await told(made)
    assert {WEB: ()} == (await status(made.ports, request(WATCHER))).scopes_gone
    await refused(made, account="logs1")
    assert [f"{FIXED} is gone"] == looked(made)


async def test_what_the_caller_has_named_is_told_to_the_caller_alone() -> None:
    """Nothing is wrong with the role."""
    made = world(role(target({"group": GROUP}, f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{{group}}")))
    made.inventory.missing = {group("app-web"): ScopeState.NO_GROUP}
    await refused(made, group="app-web")
    assert {} == await told(made)
    account = world(role(target(ACCOUNT, BELOW_FIXED)))
    account.inventory.missing = {Scope(f"{FIXED}/{STORAGE}/logs1"): ScopeState.NO_RESOURCE}
    await refused(account, account="logs1")
    assert {} == await told(account)


async def test_it_is_issued_from_again_as_soon_as_the_scope_is_there() -> None:
    """The mark refuses nothing. The reconciliation takes it away, and not before the scope is seen."""
    made = world(role(target(ACCOUNT, BELOW_FIXED)))
    made.inventory.missing = {Scope(FIXED): ScopeState.NO_GROUP}
    await refused(made, account="logs1")
    for state in (ScopeState.NO_GROUP, ScopeState.REFUSED, ScopeState.UNKNOWN):
        made.inventory.missing = {Scope(FIXED): state}
        await reconcile(made.ports, "run")
        assert [WEB] == [*await told(made)]
    made.inventory.missing = {}
    await issued(made, ask=asking(account="logs1"))
    assert [WEB] == [*await told(made)]
    await reconcile(made.ports, "run")
    assert ({}, [f"{FIXED} is gone", f"{FIXED} is there again"]) == (await told(made), looked(made))


async def test_a_scope_without_holes_is_told_as_well() -> None:
    """Azure answers the assignment with 404."""
    made = world(role(principal_target(roles=2, groups=0)))
    made.inventory.missing = {SCOPES[1]: ScopeState.NO_GROUP}
    made.calls.fail("authorization.assign", Absent("no such group"))
    await refused(made)
    assert {WEB: [f"azure_roles[1].scope {SCOPES[1]}"]} == await told(made)


async def test_a_subscription_hole_has_no_constant_part() -> None:
    """Nothing is looked for, and nothing fails."""
    sub = {"sub": {"kind": "subscription", "allowed": [SUBSCRIPTION]}}
    made = world(role(target(sub, "/subscriptions/{sub}/resourceGroups/app")))
    made.inventory.missing = {Scope(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/app"): ScopeState.NO_GROUP}
    await refused(made, sub=SUBSCRIPTION)
    assert {} == await told(made)


async def test_a_look_that_cannot_be_stored_hides_no_refusal() -> None:
    """The next issue, or nobody, notes it."""
    made = world(role(target(ACCOUNT, BELOW_FIXED)))
    made.inventory.missing = {Scope(FIXED): ScopeState.NO_GROUP}
    made.calls.fail("roles.put", Unavailable("down"))
    await refused(made, account="logs1")
    assert {} == await told(made)
    await refused(made, account="logs1")
    assert [WEB] == [*await told(made)]
