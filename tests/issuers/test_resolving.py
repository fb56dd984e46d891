"""What a role names, looked up when it is written: an admin's mistake is told with its path, never as Azure's failure."""

from __future__ import annotations

import pytest

from shared.core.azure_role import AzureRole
from shared.core.definition import ASSIGN, Permission
from shared.core.directory import FoundGroup
from shared.core.errors import Absent, Malformed, OutOfReach, Refused, Throttled, Unavailable, Upstream
from shared.core.names import Scope
from shared.issuers.application_secret.schema import ApplicationSecretTarget
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.fakes.world import DEFINITION, EXISTING, GROUPS, SCOPES, World, world

NAMED = ServicePrincipalTarget(azure_roles=(AzureRole(SCOPES[0], "Reader"),))
BY_ID = ServicePrincipalTarget(azure_roles=(AzureRole(SCOPES[0], role_id=DEFINITION),))
REFUSALS = [Absent("x", status=404), OutOfReach("x", status=404), Refused("x", status=403)]


async def faults(scene: World, target: ServicePrincipalTarget = NAMED) -> list[str]:
    """The paths of what is wrong."""
    with pytest.raises(Malformed) as caught:
        await scene.issuers.principals.resolve(target)
    assert "unresolvable" == caught.value.stable_code
    assert all(fault.message for fault in caught.value.faults)
    return [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_scope_that_azure_does_not_show_is_the_documents_fault(refusal: Upstream) -> None:
    """Be it gone, in a foreign subscription, or where the broker has no grant; told once, not for the definition as well."""
    scene = world()
    scene.calls.fail("authorization.permissions_at", refusal)
    scene.calls.fail("authorization.definitions_named", refusal)
    assert ["azure_roles[0].scope"] == await faults(scene)


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_definition_that_cannot_be_read_is_refused(refusal: Upstream) -> None:
    """What it allows is not known."""
    scene = world()
    scene.calls.fail("authorization.definition", refusal)
    assert ["azure_roles[0].role_id"] == await faults(scene, BY_ID)
    scene.calls.fail("authorization.definitions_named", refusal)
    assert ["azure_roles[0].role_name"] == await faults(scene)


@pytest.mark.parametrize("failure", [Throttled("x", status=429), Unavailable("x", status=503)])
async def test_what_may_pass_stays_azures_doing(failure: Upstream) -> None:
    """The document may be right."""
    scene = world()
    scene.calls.fail("authorization.permissions_at", failure)
    with pytest.raises(type(failure)):
        await scene.issuers.principals.resolve(NAMED)


@pytest.mark.parametrize(
    "held", [(), (Permission(("*/read",)),), (Permission((ASSIGN,)),), (Permission(("*",), ("Microsoft.Authorization/*",)),)]
)
async def test_a_scope_at_which_the_broker_may_not_assign_is_refused(held: tuple[Permission, ...]) -> None:
    """Nor take back: what it makes it must be able to remove."""
    scene = world()
    scene.cloud.reach = held
    assert ["azure_roles[0].scope"] == await faults(scene)


@pytest.mark.parametrize(
    "kind",
    [
        FoundGroup(types=("DynamicMembership",)),
        FoundGroup(mail=True, types=("Unified",)),
        FoundGroup(security=False, mail=True),
        FoundGroup(mail=True),
        FoundGroup(role_assignable=True),
        FoundGroup(synchronized=True),
    ],
)
async def test_a_group_that_takes_no_members_from_the_broker_is_refused(kind: FoundGroup) -> None:
    """Whoever else decides about its members."""
    scene = world()
    scene.cloud.kinds[GROUPS[1]] = kind
    assert ["azure_groups[1].object_id"] == await faults(scene, ServicePrincipalTarget(azure_groups=GROUPS[:2]))


async def test_twenty_assignments_at_one_scope_ask_for_it_once() -> None:
    """One call for each definition, one for the scope."""
    scene = world()
    scene.cloud.definitions |= {f"Role {index}": (f"{DEFINITION[:-2]}{index + 10}",) for index in range(20)}
    many = tuple(AzureRole(SCOPES[0], f"Role {index}") for index in range(20))
    await scene.issuers.principals.resolve(ServicePrincipalTarget(azure_roles=many))
    assert (1, 20) == tuple(
        scene.calls.names().count(f"authorization.{name}") for name in ("permissions_at", "definitions_named")
    )


@pytest.mark.parametrize("below", ["held", "elsewhere", "unreadable"])
async def test_a_management_group_may_not_hold_what_is_protected(below: str) -> None:
    """Nor be one that the broker cannot look into; unless nothing is protected."""
    group = Scope.parse("/providers/Microsoft.Management/managementGroups/all")
    target = ServicePrincipalTarget(azure_roles=(AzureRole(group, "Reader"),))
    scene = world()
    scene.cloud.below = {group.key: {f"/subscriptions/{SCOPES[1].subscription_id}"}} if below == "held" else {}
    guarded = scene.guarding(SCOPES[1])
    if below == "unreadable":
        scene.calls.fail("authorization.descendants", Refused("x", status=403))
    if below == "elsewhere":
        await guarded.resolve(target)
    else:
        with pytest.raises(Malformed) as caught:
            await guarded.resolve(target)
        assert ["azure_roles[0].scope"] == [fault.path for fault in caught.value.faults]
    await scene.issuers.principals.resolve(target)


TOP, MIDDLE, OTHER = (
    Scope.parse(f"/providers/Microsoft.Management/managementGroups/{name}") for name in ("top", "Middle", "other")
)


@pytest.mark.parametrize(
    ("scope", "protected", "refused"),
    [
        (TOP, MIDDLE, True),
        (OTHER, MIDDLE, False),
        (SCOPES[0], MIDDLE, True),
        (SCOPES[0], OTHER, False),
        (TOP, SCOPES[1], True),
    ],
    ids=[
        "above a protected management group",
        "beside it",
        "in a subscription below it",
        "in a subscription elsewhere",
        "above a protected subscription",
    ],
)
async def test_nothing_above_or_below_a_protected_management_group_is_taken(
    scope: Scope, protected: Scope, *, refused: bool
) -> None:
    """What lies in which is known from Azure alone."""
    scene = world()
    subscription = f"/subscriptions/{SCOPES[0].subscription_id}"
    scene.cloud.below = {TOP.key: {MIDDLE.key, subscription}, MIDDLE.key: {subscription}}
    target = ServicePrincipalTarget(azure_roles=(AzureRole(scope, "Reader"),))
    if refused:
        with pytest.raises(Malformed) as caught:
            await scene.guarding(protected).resolve(target)
        assert ["azure_roles[0].scope"] == [fault.path for fault in caught.value.faults]
    else:
        await scene.guarding(protected).resolve(target)


async def test_a_protected_management_group_that_cannot_be_read_lets_nothing_through() -> None:
    """Whether a scope lies in it is then not known."""
    scene = world()
    scene.calls.fail("authorization.descendants", Refused("x", status=403))
    with pytest.raises(Malformed, match=MIDDLE) as caught:
        await scene.guarding(MIDDLE).resolve(ServicePrincipalTarget(azure_roles=(AzureRole(SCOPES[0], "Reader"),)))
    assert ["azure_roles[0].scope"] == [fault.path for fault in caught.value.faults]


async def test_groups_that_the_broker_may_not_read_are_refused() -> None:
    """A deployment without that permission can never issue such a role."""
    scene = world()
    scene.calls.fail("directory.read_group", Refused("x", status=403, azure_code="Authorization_RequestDenied"))
    assert ["azure_groups[0].object_id"] == await faults(scene, ServicePrincipalTarget(azure_groups=GROUPS[:1]))


async def test_an_application_that_the_broker_may_not_read_is_refused() -> None:
    """As one that is not there."""
    scene = world()
    scene.calls.fail("applications.read_application", Refused("x", status=403))
    with pytest.raises(Malformed) as caught:
        await scene.issuers.secrets.resolve(ApplicationSecretTarget(EXISTING))
    assert ["application_object_id"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("listed", [True, False])
async def test_a_definition_that_a_management_group_makes_assignable_is_taken_where_azure_lists_it(*, listed: bool) -> None:
    """Its own scopes name the group alone, and what lies in a group only Azure knows."""
    scene = world()
    scene.cloud.assignable_scopes = ("/providers/Microsoft.Management/managementGroups/contoso",)
    if listed:
        assert [DEFINITION] == [each.definition_id for each in (await scene.issuers.principals.resolve(BY_ID)).azure_roles]
    else:
        scene.cloud.definitions = {}
        assert ["azure_roles[0].role_id"] == await faults(scene, BY_ID)
