"""Roles that give roles, or that lie above what is protected: refused when written, and once a definition has become worse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.inspect import status
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.rules import cautions
from shared.core.azure_role import AzureRole
from shared.core.definition import ASSIGN, ASSIGN_IDENTITY, Permission
from shared.core.errors import (
    Absent,
    DefinitionGone,
    LeaseholdError,
    Malformed,
    OutOfReach,
    Refused,
    RoleOutdated,
    Unavailable,
    Upstream,
)
from shared.core.names import RoleName, Scope
from shared.core.protection import Protected
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.broker.scenes import issued
from tests.fakes.world import ADMINISTRATOR, DEFINITION, READS, SCOPES, WEB, World, request, role, world
from tests.support.kinds import read_role

ADMIN = request(ADMINISTRATOR)
SUBSCRIPTION = Scope.parse("/".join(SCOPES[0].split("/")[:3]))


async def put(scene: World, scope: Scope = SCOPES[0], **more: Any) -> Any:
    """An admin writes a role that assigns the definition there."""
    assigned = [{"role_name": "Reader", "scope": scope}]
    document = {
        "type": "service_principal",
        "azure_roles": assigned,
        "bound_service_principal_ids": [request().caller.object_id],
    }
    return (await put_role(scene.ports, ADMIN, read_role(WEB, document), **more)).document


def allow(scene: World, *actions: str, data: tuple[str, ...] = ()) -> None:
    """From now on the definition allows this."""
    scene.cloud.permissions[DEFINITION] = (Permission(actions, data_actions=data),)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_definition_that_gives_roles_is_refused(*, dry_run: bool) -> None:
    """With its path; nothing is stored."""
    scene = world()
    allow(scene, "microsoft.authorization/*")
    with pytest.raises(Malformed) as caught:
        await put(scene, dry_run=dry_run)
    assert ("gives_roles", "azure_roles[0].role_name") == (caught.value.stable_code, caught.value.faults[0].path)
    assert () == await scene.ports.roles.list()


async def test_one_that_assigns_identities_is_taken_and_told() -> None:
    """In the answer and in the audit trail."""
    scene = world()
    allow(scene, ASSIGN_IDENTITY)
    stored = await put(scene)
    assert ["assigns_identities"] == [each.code for each in cautions(scene.ports, stored)]
    assert "azure_roles[0].role_name: assigns_identities" == scene.audit.events[-1].reason


@pytest.mark.parametrize(
    ("actions", "data", "taken"),
    [
        (("*/read",), (), True),
        (("*",), (), False),
        (("*/read",), ("Microsoft.Storage/*",), False),
        (("a/b/action",), (), False),
    ],
)
async def test_above_what_is_protected_a_role_may_only_read(
    actions: tuple[str, ...], data: tuple[str, ...], *, taken: bool
) -> None:
    """And the reader is told of; what is protected is named."""
    scene = world(protected=Protected(scopes=(SCOPES[0],)))
    allow(scene, *actions, data=data)
    if taken:
        stored = await put(scene, SUBSCRIPTION)
        assert ["reads_protected"] == [each.code for each in cautions(scene.ports, stored)]
        return
    with pytest.raises(Malformed) as caught:
        await put(scene, SUBSCRIPTION)
    assert "azure_roles[0].scope" == caught.value.faults[0].path
    if "*" not in actions:
        assert ("protected_target", True) == (caught.value.stable_code, SCOPES[0] in caught.value.faults[0].message)


async def test_a_definition_that_became_worse_stops_the_role_within_the_hour() -> None:
    """The next reconciliation reads it again; the status names the role, and the audit trail what has changed."""
    scene = world(role())
    await issued(scene)
    allow(scene, "*")
    await reconcile(scene.ports, "r", dry_run=True)
    await issued(scene)
    await reconcile(scene.ports, "r")
    with pytest.raises(RoleOutdated):
        await issued(scene)
    assert [WEB] == list((await status(scene.ports, ADMIN)).outdated)
    assert ASSIGN in next(each for each in scene.audit.events if each.operation == "read_definitions").reason


async def test_a_definition_that_became_better_lets_the_role_issue_again() -> None:
    """Nobody has to write it."""
    scene = world(role())
    allow(scene, "*")
    await reconcile(scene.ports, "r")
    allow(scene, "*/read")
    await reconcile(scene.ports, "r")
    await issued(scene)


async def test_a_role_from_before_is_looked_at_as_well() -> None:
    """By the hourly reconciliation, if nobody issues from it before: it has not changed, as far as anybody knows."""
    before = ServicePrincipalTarget(azure_roles=(AzureRole(SCOPES[0], "Reader", definition_id=DEFINITION),))
    scene = world(role(before))
    allow(scene, ASSIGN)
    await reconcile(scene.ports, "r")
    with pytest.raises(RoleOutdated):
        await issued(scene)
    assert "read_definitions" not in {each.operation for each in scene.audit.events}


async def test_a_definition_that_cannot_be_read_now_changes_nothing() -> None:
    """And is told among what was not read."""
    scene = world(role())
    scene.calls.fail("inventory.definition", Unavailable("x", status=503))
    done = await reconcile(scene.ports, "r")
    assert (DEFINITION,) == done.unread
    await issued(scene)


async def test_nothing_is_leased_by_a_definition_that_was_deleted_and_made_again() -> None:
    """Whoever makes one under the old name changes nothing: the status says so, until an admin writes the role again."""
    scene = world()
    await put(scene)
    await issued(scene)
    anew = DEFINITION[:-1] + ("0" if DEFINITION[-1] != "0" else "1")
    scene.cloud.definitions["Reader"] = (anew,)
    await reconcile(scene.ports, "r")
    assert f"{DEFINITION} is gone" == next(each for each in scene.audit.events if each.operation == "read_definitions").reason
    [fault] = (await status(scene.ports, ADMIN)).outdated[WEB]
    assert ("azure_roles[0].role_name", True) == (fault.path, "write the role again" in fault.message)
    with pytest.raises(RoleOutdated):
        await issued(scene)
    await put(scene)
    assert {} == (await status(scene.ports, ADMIN)).outdated
    await issued(scene)
    assert {DEFINITION, anew} == {granted.definition_id for granted in scene.cloud.assignments.values()}


async def test_the_first_issue_that_meets_a_deleted_definition_makes_the_status_tell() -> None:
    """No hour passes, and no other issue begins in vain; what else the role assigns is as it was."""
    scene = world()
    await put(scene)
    scene.cloud.definitions["Reader"] = ()
    scene.calls.fail("authorization.assign", DefinitionGone("x", status=404))
    with pytest.raises(DefinitionGone):
        await issued(scene)
    assert [WEB] == list((await status(scene.ports, ADMIN)).outdated)
    assert [f"{DEFINITION} is gone"] == [each.reason for each in scene.audit.events if each.operation == "read_definitions"]
    with pytest.raises(RoleOutdated):
        await issued(scene)


async def test_an_answer_at_issue_alone_is_no_proof_that_a_definition_is_gone() -> None:
    """It is read before the role is told to be outdated; nor does it matter when it cannot be."""
    scene = world()
    await put(scene)
    for failure in (None, Unavailable("x", status=503)):
        scene.calls.fail("authorization.assign", DefinitionGone("x", status=404))
        if failure:
            scene.calls.fail("inventory.definition", failure)
        with pytest.raises(DefinitionGone):
            await issued(scene)
        assert {} == (await status(scene.ports, ADMIN)).outdated
    await issued(scene)


async def test_a_definition_that_was_made_again_is_leased_when_the_role_is_written_again() -> None:
    """And not before, be it under the very same id: whoever writes custom roles does not choose what is leased."""
    scene = world()
    await put(scene)
    stored, scene.cloud.definitions["Reader"] = scene.cloud.definitions["Reader"], ()
    await reconcile(scene.ports, "r")
    await reconcile(scene.ports, "r")
    assert 1 == len([each for each in scene.audit.events if each.operation == "read_definitions"])
    scene.cloud.definitions["Reader"] = stored
    await reconcile(scene.ports, "r")
    with pytest.raises(RoleOutdated):
        await issued(scene)
    assert [WEB] == [*(await status(scene.ports, ADMIN)).outdated]
    await put(scene)
    await issued(scene)
    await reconcile(scene.ports, "r")
    await issued(scene)
    result = [each.reason for each in scene.audit.events if each.operation == "read_definitions"]
    assert [f"{DEFINITION} is gone"] == result


async def test_the_audit_trail_tells_of_the_definitions_that_have_changed_and_of_no_other() -> None:
    """Of two in one role."""
    other = DEFINITION[:-1] + ("0" if DEFINITION[-1] != "0" else "1")
    assigned = (
        AzureRole(SCOPES[0], name, definition_id=each, powers=READS) for name, each in (("A", DEFINITION), ("B", other))
    )
    scene = world(role(ServicePrincipalTarget(azure_roles=tuple(assigned))))
    scene.cloud.definitions["Other"] = (other,)
    allow(scene, ASSIGN)
    await reconcile(scene.ports, "r")
    (event,) = [each for each in scene.audit.events if each.operation == "read_definitions"]
    assert f"{DEFINITION} allows {ASSIGN}" == event.reason


async def test_what_shows_an_assignment_is_read_again_and_told_to_nobody() -> None:
    """An older version has stored roles without it. What the role may do is as it was."""
    known = replace(READS, sees=(), entries=())
    stored = AzureRole(SCOPES[0], "Reader", definition_id=DEFINITION, powers=known)
    scene = world(role(ServicePrincipalTarget(azure_roles=(stored,))))
    await reconcile(scene.ports, "r")
    found = scene.roles.kept(WEB)
    assert found is not None
    assert [READS] == [each.powers for each in scene.ports.kinds.azure_roles(found)]
    assert [] == [each for each in scene.audit.events if each.operation == "read_definitions"]


async def test_a_scope_that_is_gone_says_nothing_of_the_definition() -> None:
    """Only the code that names the definition does."""
    scene = world()
    await put(scene)
    scene.calls.fail("inventory.definition", Absent("x", status=404))
    await reconcile(scene.ports, "r")
    assert {} == (await status(scene.ports, ADMIN)).outdated


OUT_OF_SIGHT = {
    "gone": (Absent("x", status=404), ()),
    "out of reach": (OutOfReach("x", status=404), (DEFINITION,)),
    "refused": (Refused("x", status=403), (DEFINITION,)),
}
"""What a scope answers, and what is told as unread when every one answers so."""


@pytest.mark.parametrize("answer", OUT_OF_SIGHT)
async def test_a_scope_out_of_sight_hides_no_other_role(answer: str) -> None:
    """The definition is read where another role assigns it, whichever of the roles comes first, and counts for both."""
    for names in (("a", "b"), ("b", "a")):
        scene = world()
        for name, scope in zip(names, SCOPES, strict=False):
            stored = AzureRole(scope, "Reader", definition_id=DEFINITION, powers=READS)
            scene.roles.keep(role(ServicePrincipalTarget(azure_roles=(stored,)), name=RoleName(name)))
        allow(scene, "*")
        scene.calls.fail("inventory.definition", OUT_OF_SIGHT[answer][0])
        done = await reconcile(scene.ports, "r")
        assert ((), 2) == (done.unread, len(scene.calls.named("inventory.definition")))
        assert {RoleName("a"), RoleName("b")} == set((await status(scene.ports, ADMIN)).outdated)


@pytest.mark.parametrize("answer", OUT_OF_SIGHT)
async def test_a_definition_that_is_seen_nowhere_changes_nothing(answer: str) -> None:
    """Each place is asked once."""
    scene = world(role(), role(name=RoleName("other")))
    error, unread = OUT_OF_SIGHT[answer]
    scene.calls.fail("inventory.definition", error, times=50)
    assert unread == (await reconcile(scene.ports, "r")).unread
    assert 2 == len(scene.calls.named("inventory.definition"))
    await issued(scene)


async def test_while_azure_is_down_no_second_place_is_tried() -> None:
    """It would say no more."""
    scene = world(role())
    scene.calls.fail("inventory.definition", Unavailable("x", status=503), times=50)
    await reconcile(scene.ports, "r")
    assert 1 == len(scene.calls.named("inventory.definition"))


MANAGEMENT_GROUP = Scope.parse("/providers/Microsoft.Management/managementGroups/All")


def never_read(scope: Scope) -> ServicePrincipalTarget:
    """As a version has stored it that did not look at definitions."""
    return ServicePrincipalTarget((AzureRole(scope, "Reader", definition_id=DEFINITION),))


@pytest.mark.parametrize(
    ("scope", "actions", "why"),
    [
        (SCOPES[0], ("Microsoft.Authorization/roleAssignments/write",), "roleAssignments"),
        (SUBSCRIPTION, ("*",), "protected"),
        (MANAGEMENT_GROUP, ("*/read",), "management group"),
    ],
    ids=["gives roles", "above what is protected", "a management group that holds what is protected"],
)
async def test_a_role_from_before_a_rule_is_looked_at_before_anything_is_issued_from_it(
    scope: Scope, actions: tuple[str, ...], why: str
) -> None:
    """Nothing has to be reconciled first; the status then names it."""
    scene = world(role(never_read(scope)), protected=Protected(scopes=(SCOPES[1],)))
    scene.cloud.below = {MANAGEMENT_GROUP.key: {SUBSCRIPTION.key}}
    allow(scene, *actions)
    for _ in range(2):
        with pytest.raises(RoleOutdated) as caught:
            await issued(scene)
        assert why in caught.value.audit_reason
    assert [] == scene.leftovers()
    assert 1 == scene.calls.names().count("inventory.definition")
    assert [WEB] == list((await status(scene.ports, ADMIN)).outdated)


async def test_a_harmless_role_from_before_a_rule_is_looked_at_once() -> None:
    """The look is stored."""
    scene = world(role(never_read(SCOPES[0])))
    allow(scene, "*/read")
    for _ in range(2):
        await issued(scene)
    assert 1 == scene.calls.names().count("inventory.definition")


@pytest.mark.parametrize(
    ("trouble", "result"),
    [(Refused("x", status=403), Refused), (Unavailable("x", status=503), Unavailable), (Absent("x", status=404), RoleOutdated)],
    ids=["refused", "trouble that passes", "at no scope"],
)
async def test_nothing_is_issued_from_a_role_from_before_a_rule_that_cannot_be_looked_at(
    trouble: Upstream, result: type[LeaseholdError]
) -> None:
    """It may break the rule."""
    scene = world(role(never_read(SCOPES[0])))
    scene.calls.fail("inventory.definition", trouble, times=1000)
    with pytest.raises(result):
        await issued(scene)
    assert [] == scene.leftovers()


async def test_a_role_reaches_what_is_protected_once_a_management_group_holds_it() -> None:
    """The hourly reconciliation looks again, both ways; what cannot be read changes nothing."""
    stored = ServicePrincipalTarget((AzureRole(MANAGEMENT_GROUP, "Reader", definition_id=DEFINITION, powers=READS),))
    scene = world(role(stored), protected=Protected(scopes=(SCOPES[1],)))
    await reconcile(scene.ports, "r")
    await issued(scene)
    scene.cloud.below = {MANAGEMENT_GROUP.key: {SUBSCRIPTION.key}}
    await reconcile(scene.ports, "r")
    with pytest.raises(RoleOutdated):
        await issued(scene)
    assert [WEB] == list((await status(scene.ports, ADMIN)).outdated)
    scene.calls.fail("inventory.descendants", OutOfReach("x", status=403))
    assert MANAGEMENT_GROUP in (await reconcile(scene.ports, "r")).unread
    with pytest.raises(RoleOutdated):
        await issued(scene)
    scene.cloud.below = {}
    await reconcile(scene.ports, "r")
    await issued(scene)
    reasons = [event.reason for event in scene.audit.events if event.operation == "read_definitions"]
    assert [f"{MANAGEMENT_GROUP} reaches what is protected", f"{MANAGEMENT_GROUP} does not reach what is protected"] == reasons


async def test_a_place_that_cannot_be_read_is_named_once() -> None:
    """A management group of which neither the assignments nor what it holds can be read."""
    stored = ServicePrincipalTarget((AzureRole(MANAGEMENT_GROUP, "Reader", definition_id=DEFINITION, powers=READS),))
    scene = world(role(stored), protected=Protected(scopes=(SCOPES[1],)))
    for call in ("inventory.assignments_at", "inventory.descendants"):
        scene.calls.fail(call, OutOfReach("x", status=403))

    assert (MANAGEMENT_GROUP,) == (await reconcile(scene.ports, "r")).unread
