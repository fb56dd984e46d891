from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.broker.issue.issue import IssueRequest, issue
from shared.core.azure_role import AzureRole
from shared.core.errors import Absent, Malformed, NotReplicated, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.footprint import Assignment
from shared.core.role import Target
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalTarget
from tests.fakes.world import (
    DEFINITION,
    GROUPS,
    SCOPES,
    SUBSCRIPTION,
    TENANT,
    WEB,
    World,
    guid,
    principal_target,
    request,
    role,
    secret_target,
    world,
)
from tests.issuers.orders import Job, order
from tests.issuers.orders import principal_job as job
from tests.support.kinds import as_client_secret, as_principal

SIZES = [(0, 1), (1, 0), (1, 1), (2, 3), (8, 8)]
CLOUD = ("directory", "authorization")


def cloud_calls(made: World) -> list[str]:
    """The names of the calls to Azure."""
    return [call.name for call in made.calls.made if call.service in CLOUD]


@pytest.mark.parametrize(("roles", "groups"), SIZES)
async def test_minting_takes_three_calls_and_one_for_each_role_and_group(roles: int, groups: int) -> None:
    """3 + R + G."""
    one = job(roles, groups)
    await one.mint()
    assert 3 + roles + groups == len(cloud_calls(one.world))


@pytest.mark.parametrize(("roles", "groups"), SIZES)
@pytest.mark.parametrize(("purge", "more"), [(True, 4), (False, 2)])
async def test_undoing_takes_four_calls_and_one_for_each_role_and_group(
    roles: int, groups: int, more: int, *, purge: bool
) -> None:
    """R + G + 4, and two fewer when the recycle bin is left alone."""
    one = job(roles, groups, permanently_delete=purge)
    await one.mint()
    before = len(cloud_calls(one.world))
    assert await one.undo()
    assert roles + groups + more == len(cloud_calls(one.world)) - before


async def test_assignments_and_memberships_are_made_at_once() -> None:
    """With two seconds a call, eight of each take two seconds; the whole takes as long as three calls, one by one."""
    one = job(8, 8, latency=2.0)
    await one.mint()
    given = [*one.world.calls.named("authorization.assign"), *one.world.calls.named("directory.add_member")]
    assert {(1004.0, 1006.0)} == {(call.began, call.over) for call in given}
    assert 1006.0 == one.world.clock.monotonic()


async def test_principal_and_secret_are_made_at_once() -> None:
    """Neither needs the other."""
    one = job(latency=2.0)
    await one.mint()
    made = [*one.world.calls.named("directory.create_principal"), *one.world.calls.named("directory.add_secret")]
    assert {1002.0} == {call.began for call in made}


async def test_planning_touches_nothing_and_names_everything() -> None:
    """Every name comes from the lease's id, so a repeat finds its own work."""
    one = job(2, 1)
    again = one.issuer.plan(one.order)
    assert [] == one.world.calls.made
    assert again == one.footprint
    assert isinstance(again, ServicePrincipalFootprint)
    assert f"leasehold-{one.order.lease_id}" == again.unique_name
    assert (SCOPES[:2], GROUPS[:1]) == (tuple(each.scope for each in again.assignments), again.groups)


def test_assignment_names_differ_from_lease_to_lease_and_role_to_role() -> None:
    """They are global in Azure."""
    made = world()
    plans = [made.issuers.principals.plan(order(made, principal_target(2, 0))) for _ in range(2)]
    assert 4 == len({each.name for plan in plans for each in plan.assignments})


async def test_the_credential_says_what_the_caller_needs() -> None:
    """And its secret is the one that Graph told."""
    one = job(2, 1)
    credential = as_client_secret(await one.mint())
    (principal,) = [each for each in one.world.cloud.principals.values() if each.unique_name]
    (application,) = [each for each in one.world.cloud.applications.values() if each.wanted]
    ((key_id, stored),) = application.secrets.items()
    ids = (application.app_id, principal.object_id, key_id, SUBSCRIPTION)
    assert ("service_principal", TENANT, *ids, stored.text) == (
        credential.type,
        credential.tenant_id,
        credential.client_id,
        credential.object_id,
        credential.secret_id,
        credential.subscription_id,
        credential.client_secret.reveal(),
    )


async def test_the_secret_ends_when_the_order_says() -> None:
    """Entra refuses it then, whatever becomes of the broker."""
    one = job()
    await one.mint()
    ends = [stored.end for app in one.world.cloud.applications.values() for stored in app.secrets.values()]
    assert [one.order.credential_end] == ends


async def test_the_application_is_registered_as_the_role_says() -> None:
    """Tags and audience from the role, and a mark and a note of whose it is."""
    one = job(1, 0, tags=("team:web",), sign_in_audience="AzureADMultipleOrgs")
    await one.mint()
    (wanted,) = [each.wanted for each in one.world.cloud.applications.values() if each.wanted]
    assert (("leasehold", "team:web"), "AzureADMultipleOrgs") == (wanted.tags, wanted.sign_in_audience)
    assert one.order.lease_id in wanted.notes


async def test_a_condition_goes_with_its_assignment() -> None:
    """And the definition that the role was resolved to; its description names the lease."""
    role = AzureRole(SCOPES[0], "Reader", condition="@Resource[Contoso.A/b:c] StringEquals 'y'", definition_id=DEFINITION)
    one = Job(world(), ServicePrincipalTarget(azure_roles=(role,)))
    await one.mint()
    (granted,) = one.world.cloud.assignments.values()
    assert (DEFINITION, role.condition) == (granted.definition_id, granted.condition)
    assert f"leasehold {one.order.lease_id}" == granted.description


async def test_ids_are_noted_as_soon_as_they_are_known() -> None:
    """A worker that fails half-way knows what to undo: here the principal, though the secret failed."""
    one = job()
    one.world.calls.fail("directory.add_secret", Refused())
    with pytest.raises(Refused):
        await one.mint()
    assert [(True, False), (True, True)] == [
        (note.application_id is not None, note.principal_id is not None)
        for note in one.noted
        if isinstance(note, ServicePrincipalFootprint)
    ]


@pytest.mark.parametrize("error", [Throttled(), NotReplicated(), Unavailable(), Unreachable()])
@pytest.mark.parametrize(
    "call",
    [
        "directory.upsert_application",
        "directory.create_principal",
        "directory.add_secret",
        "authorization.assign",
        "directory.add_member",
    ],
)
async def test_a_failure_that_passes_by_itself_only_delays(call: str, error: Upstream) -> None:
    """Each step is tried again, and the outcome is the same."""
    one = job()
    one.world.calls.fail(call, error, times=2, after=not isinstance(error, Throttled | NotReplicated))
    await one.mint()
    assert ["application", "assignment", "assignment", "membership", "principal"] == [
        thing.kind for thing in one.world.leftovers()
    ]
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_a_fresh_object_that_graph_does_not_know_is_asked_for_again() -> None:
    """With a lag of twenty seconds everything is made all the same."""
    one = job(lag=20.0)
    await one.mint()
    assert ["application", "assignment", "assignment", "membership", "principal"] == [
        thing.kind for thing in one.world.leftovers()
    ]


async def test_a_group_that_is_gone_fails_the_issue_within_a_minute() -> None:
    """A no that is only doubted while replicas may be behind."""
    one = job(0, 1)
    del one.world.cloud.groups[GROUPS[0]]
    with pytest.raises(Absent):
        await one.mint()
    assert 30 < one.world.clock.monotonic() - 1000 < 60


async def test_a_definite_no_is_not_repeated() -> None:
    """The first refusal of an assignment ends the attempt, after the others have come to their end."""
    one = job(3, 1)
    one.world.calls.fail("authorization.assign", Refused())
    with pytest.raises(Refused):
        await one.mint()
    assert (3, 1) == (len(one.world.calls.named("authorization.assign")), len(one.world.calls.named("directory.add_member")))


async def test_no_step_begins_after_the_orders_time() -> None:
    """A step that took too long is the last one."""
    one = Job(world(latency=10.0), principal_target(), seconds=15.0)
    with pytest.raises(Unreachable):
        await one.mint()
    assert ["directory.upsert_application", "directory.create_principal", "directory.add_secret"] == cloud_calls(one.world)


@pytest.mark.parametrize("make", [principal_target, secret_target])
@pytest.mark.parametrize(("ready", "expected"), [("none", False), ("token", True)])
async def test_a_credential_is_tried_out_when_the_role_says_so(
    make: Callable[..., Target], ready: str, *, expected: bool
) -> None:
    """Else nobody waits."""
    made = world(role(make(ready=ready)))
    answer = await issue(made.ports, request(), IssueRequest(WEB))
    assert expected is answer.lease.ready
    assert int(expected) == len(made.calls.named("probe.signs_in"))


async def test_locating_makes_no_call_when_all_ids_are_known() -> None:
    """As they are for every lease that was ever active."""
    one = job()
    await one.mint()
    before = len(one.world.calls.made)
    await one.issuer.locate(one.footprint, fresh=True, deadline=2000)
    assert before == len(one.world.calls.made)


async def test_locating_finds_what_the_names_lead_to() -> None:
    """From the plan alone."""
    one = job()
    planned = one.footprint
    await one.mint()
    found = await one.issuer.locate(planned, fresh=False, deadline=2000)
    # The secret goes with its application: nobody looks for it.
    assert replace(as_principal(one.footprint), secret_id=None) == found


async def test_locating_an_application_without_principal_finds_half() -> None:
    """The worker died in between."""
    one = job()
    planned = one.footprint
    await one.mint()
    one.world.cloud.principals.clear()
    found = await one.issuer.locate(planned, fresh=False, deadline=2000)
    assert isinstance(found, ServicePrincipalFootprint)
    assert (True, None) == (found.app_id is not None, found.principal_id)


async def test_resolving_looks_everything_up() -> None:
    """The definition's id for its name, and the ids that were given."""
    wanted = ServicePrincipalTarget(
        azure_roles=(AzureRole(SCOPES[0], "Reader"), AzureRole(SCOPES[1], role_id=DEFINITION)), azure_groups=GROUPS[:2]
    )
    made = world()
    resolved = await made.issuers.principals.resolve(wanted)
    assert [DEFINITION, DEFINITION] == [role.definition_id for role in resolved.azure_roles]
    assert 6 == len(made.calls.made)


async def test_resolving_reports_every_fault() -> None:
    """Unknown names, ambiguous names, unknown ids, unknown groups, and a role twice at one scope."""
    made = world()
    made.cloud.definitions |= {"Twice": (f"{DEFINITION}1", f"{DEFINITION}2")}
    wanted = ServicePrincipalTarget(
        azure_roles=(
            AzureRole(SCOPES[0], "Nothing"),
            AzureRole(SCOPES[0], "Twice"),
            AzureRole(SCOPES[0], role_id="/providers/x"),
            AzureRole(SCOPES[1], "Reader"),
            AzureRole(SCOPES[1], role_id=DEFINITION),
        ),
        azure_groups=(GROUPS[0], guid(0x999)),
    )
    with pytest.raises(Malformed) as caught:
        await made.issuers.principals.resolve(wanted)
    assert "unresolvable" == caught.value.stable_code
    assert {
        "azure_roles[0].role_name",
        "azure_roles[1].role_name",
        "azure_roles[2].role_id",
        "azure_roles[4]",
        "azure_groups[1].object_id",
    } == {fault.path for fault in caught.value.faults}


async def test_another_lease_s_assignment_is_never_taken_over() -> None:
    """An assignment of this name for another principal is a refusal, not success."""
    one = job(1, 0)
    assert isinstance(one.footprint, ServicePrincipalFootprint)
    taken = Assignment(SCOPES[0], one.footprint.assignments[0].name)
    await one.world.issuers.principals.authorization.assign(taken, DEFINITION, guid(0x777), None)
    with pytest.raises(Refused):
        await one.mint()


async def test_refuses_what_is_not_its_own() -> None:
    """Targets of the other kind are a defect, told at once."""
    one = job()
    other = world().issuers.secrets
    with pytest.raises(TypeError, match="not an application secret"):
        other.plan(one.order)
    with pytest.raises(TypeError, match="not a service principal target"):
        one.issuer.plan(replace(one.order, target=secret_target()))


async def test_a_lease_whose_application_is_unknown_gets_no_secret() -> None:
    """No active lease is without one: that is a defect, told before anything is asked of Azure."""
    one = job()
    with pytest.raises(TypeError, match="application is known"):
        await one.issuer.credential(replace(one.order, rotating=True), one.footprint, lambda _: None)
    assert [] == one.world.calls.made
