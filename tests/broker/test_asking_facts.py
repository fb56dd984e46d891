"""Holes that facts about the caller fill: its own group, subscription, name and ids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.issue.dry_run import would_issue
from shared.broker.issue.issue import IssueRequest
from shared.broker.renew import renew
from shared.core.access.bounds import Bounds
from shared.core.caller import Caller
from shared.core.errors import Conflict, DirectoryUnavailable, Malformed, TooManyIssues
from shared.core.limits import Limits
from shared.core.names import Scope
from shared.core.parameters.errors import FactMissing, ParameterNotAllowed
from shared.core.ports.inventory import ScopeState
from tests.broker.holed import machines, paths, refused, scene
from tests.broker.scenes import issued
from tests.fakes.world import (
    ADMINISTRATOR,
    ALICE,
    OTHER_TENANT,
    SUBSCRIPTION,
    TENANT,
    WEB,
    guid,
    request,
    role,
    world,
)
from tests.support.holes import (
    GROUP_SCOPE,
    IN_SUB,
    OWN_GROUP,
    group,
    machine,
    place,
    target,
)

OTHER_SUBSCRIPTION = guid(0x77)


async def test_a_machine_gets_into_its_own_resource_group() -> None:
    """One role serves every team."""
    made = machines(machine("app-web"))
    found = await issued(made)
    assert ({"group": "app-web"}, (group("app-web"),)) == (found.lease.parameters, found.lease.scopes)


async def test_a_group_of_another_subscription_is_not_ones_own() -> None:
    """Otherwise a machine in a group ``app-web`` of a sandbox would open the ``app-web`` of this subscription."""
    made = machines(machine("app-web", subscription=OTHER_SUBSCRIPTION))
    refusal = await refused(made, FactMissing)
    assert ["parameters.group"] == paths(refusal)
    assert OTHER_SUBSCRIPTION in refusal.audit_reason
    assert SUBSCRIPTION in refusal.audit_reason
    assert OTHER_SUBSCRIPTION not in refusal.faults[0].message


async def test_who_is_no_machine_has_no_group() -> None:
    """A service principal that is there and is no managed identity, and one that is not there."""
    made = machines()
    assert ["parameters.group"] == paths(await refused(made, FactMissing))


async def test_a_fact_is_not_given() -> None:
    """Not even the true one."""
    made = machines(machine("app-web"))
    assert ["parameters.group"] == paths(await refused(made, Malformed, group="app-web"))


async def test_a_caller_of_another_tenant_has_no_resource() -> None:
    """Nor a client id."""
    foreign = Caller(ALICE.object_id, OTHER_TENANT, ALICE.kind, "fingerprint", app_id=ALICE.app_id, at_home=False)
    bounds = Bounds(service_principal_ids=frozenset({ALICE.object_id}), tenant_ids=frozenset({TENANT, OTHER_TENANT}))
    for holes, scope in (
        (OWN_GROUP, GROUP_SCOPE),
        ({"group": {"kind": "resource_group", "from": "caller.app_id"}}, GROUP_SCOPE),
    ):
        made = world(role(target(holes, scope), bounds=bounds))
        place(made, machine("app-web"))
        await refused(made, FactMissing, request(foreign))


async def test_an_administrator_has_facts_like_anybody() -> None:
    """Though the gate asks for none."""
    made = machines()
    await refused(made, FactMissing, request(ADMINISTRATOR))
    place(made, machine("app-ops"), ADMINISTRATOR.object_id)
    assert {"group": "app-ops"} == (await issued(made, request(ADMINISTRATOR))).lease.parameters


async def test_a_user_assigned_identity_is_a_resource_of_its_own() -> None:
    """Its group counts, whatever machine carries it."""
    made = machines()
    own = f"{IN_SUB}/resourcegroups/identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
    made.callers.place(ALICE.object_id, own, explicit=True)
    assert {"group": "identities"} == (await issued(made)).lease.parameters


async def test_an_identity_that_has_moved_is_where_it_is_now() -> None:
    """Once what is known of it is forgotten. The first lease stays where it was granted."""
    made = machines(machine("app-web"))
    first = await issued(made)
    place(made, machine("app-two"))
    second = await issued(made)
    assert [(group("app-web"),), (group("app-two"),)] == [each.lease.scopes for each in (first, second)]


async def test_a_resource_that_is_gone_has_no_group() -> None:
    """What the directory still says of it is about what was."""
    made = machines(machine("app-web"))
    made.inventory.missing = {Scope.parse(machine("app-web")): ScopeState.NO_RESOURCE}
    assert ["parameters.group"] == paths(await refused(made, FactMissing))


async def test_the_look_at_ones_own_resource_costs_no_time_and_leaves_nothing() -> None:
    """It is made beside the write of the lease, and the lease is forgotten again. The ask counts, the dry run's too."""
    made = machines(machine("app-web"))
    made.ports = replace(made.ports, limits=Limits(issues_per_minute=3))
    made.inventory.missing = {Scope.parse(machine("app-web")): ScopeState.NO_GROUP}
    await refused(made, FactMissing)
    assert {} == made.leases.rows
    assert [] == made.calls.named("directory.upsert_application")
    with pytest.raises(FactMissing):
        await would_issue(made.ports, request(), IssueRequest(WEB))
    await refused(made, FactMissing)
    await refused(made, TooManyIssues)
    assert {} == made.leases.rows


@pytest.mark.parametrize("state", [ScopeState.NO_RESOURCE, ScopeState.NO_GROUP])
async def test_a_lease_is_not_renewed_whose_fact_is_of_a_resource_that_is_gone(state: ScopeState) -> None:
    """The role would not give it now."""
    made = machines(machine("app-web"))
    lease = (await issued(made)).lease
    made.inventory.missing = {Scope.parse(machine("app-web")): state}
    with pytest.raises(Conflict) as changed:
        await renew(made.ports, request(), lease.id, None)
    assert "role_changed" == changed.value.stable_code


@pytest.mark.parametrize("state", [ScopeState.REFUSED, ScopeState.UNKNOWN])
async def test_what_cannot_be_told_of_a_resource_is_no_refusal(state: ScopeState) -> None:
    """The broker may not look at every machine."""
    made = machines(machine("app-web"))
    made.inventory.missing = {Scope.parse(machine("app-web")): state}
    assert {"group": "app-web"} == (await issued(made)).lease.parameters


async def test_a_fact_that_cannot_be_read_is_no_answer() -> None:
    """503: neither a refusal nor a lease."""
    made = machines(machine("app-web"))
    made.callers.trouble = "down"
    await refused(made, DirectoryUnavailable)


async def test_ids_of_the_caller_need_no_directory() -> None:
    """They are in its token."""
    made = scene({"group": {"kind": "resource_group", "from": "caller.object_id"}}, GROUP_SCOPE)
    made.callers.trouble = "down"
    assert (group(ALICE.object_id),) == (await issued(made)).lease.scopes
    by_client = scene({"group": {"kind": "resource_group", "from": "caller.app_id"}}, GROUP_SCOPE)
    assert {"group": ALICE.app_id} == (await issued(by_client)).lease.parameters


async def test_allowed_beside_from_takes_away() -> None:
    """403, with the bounds."""
    made = scene({"group": {**OWN_GROUP["group"], "allowed": ["app-*"]}}, GROUP_SCOPE)
    place(made, machine("ops"))
    assert ["parameters.group"] == paths(await refused(made, ParameterNotAllowed))
