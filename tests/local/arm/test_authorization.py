from __future__ import annotations

import pytest

from local.cloud.rbac.access import Verdict, decide
from local.cloud.rbac.condition_evaluation import Circumstances, action_matches
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.directory import Group
from local.cloud.tenant.resources import RoleDefinition
from tests.local.arm.calls import (
    ACCESS_ADMIN,
    BLOB_READER,
    CONTRIBUTOR,
    GROUP,
    RBAC_ADMIN,
    READER,
    ROOT,
    STORE,
    TENANT,
    Azure,
    assignment,
    code,
    outcome,
)

BLOB_READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _group(azure: Azure, *members: str) -> str:
    made = azure.world.guid()
    azure.world.directory.groups[made] = Group(made, azure.clock.at, {}, list(members))
    return made


def test_refuses_a_principal_without_any_role(azure: Azure) -> None:
    """The text names client, object id, action and scope, as Azure's does."""
    stranger = azure.principal()

    reply = azure.call("GET", GROUP, by=stranger)

    expected = (
        f"The client 'app-of-{stranger}' with object id '{stranger}' does not have authorization to perform action "
        f"'Microsoft.Resources/subscriptions/resourceGroups/read' over scope '{GROUP}' or the scope is invalid. "
        "If access was recently granted, please refresh your credentials."
    )
    assert (403, {"error": {"code": "AuthorizationFailed", "message": expected}}) == (reply.status, reply.body)


@pytest.mark.parametrize("scope", ["/", f"/providers/Microsoft.Management/managementGroups/{TENANT}", ROOT, GROUP, STORE])
def test_a_role_counts_at_its_scope_and_below(azure: Azure, scope: str) -> None:
    """From the tenant's root down to the resource itself."""
    reader = azure.principal()
    azure.grant(reader, READER, scope)

    assert 200 == azure.call("GET", STORE, by=reader).status


def test_a_role_does_not_count_above_its_scope(azure: Azure) -> None:
    """A reader of the account is no reader of its group."""
    reader = azure.principal()
    azure.grant(reader, READER, STORE)

    assert (403, "AuthorizationFailed") == outcome(azure.call("GET", GROUP, by=reader))


def test_a_role_does_not_count_at_a_sibling_with_a_longer_name(azure: Azure) -> None:
    """``app`` is not above ``app2``."""
    azure.resource(f"{GROUP}2", "Microsoft.Resources/resourceGroups")
    reader = azure.principal()
    azure.grant(reader, READER, GROUP)

    assert (403, "AuthorizationFailed") == outcome(azure.call("GET", f"{GROUP}2", by=reader))


def test_scopes_compare_without_case(azure: Azure) -> None:
    """Azure writes ``resourceGroups`` and ``resourcegroups``."""
    reader = azure.principal()
    azure.grant(reader, READER, GROUP.lower())

    assert 200 == azure.call("GET", GROUP.replace("resourceGroups", "RESOURCEGROUPS"), by=reader).status


def test_a_management_group_reaches_the_subscriptions_in_it(azure: Azure) -> None:
    """The subscription names its group, the group its parent."""
    top, inner = (f"/providers/Microsoft.Management/managementGroups/{name}" for name in ("top", "inner"))
    azure.resource(top, "Microsoft.Management/managementGroups")
    azure.resource(inner, "Microsoft.Management/managementGroups", parent="top")
    azure.resource(ROOT, "Microsoft.Resources/subscriptions", managementGroup="inner")
    reader = azure.principal()
    azure.grant(reader, READER, top)

    assert 200 == azure.call("GET", STORE, by=reader).status


def test_a_role_counts_through_nested_groups(azure: Azure) -> None:
    """A member of a member has what the outer group has."""
    member = azure.principal()
    outer = _group(azure, _group(azure, member))
    azure.grant(outer, READER, GROUP)

    assert 200 == azure.call("GET", STORE, by=member).status


def test_groups_that_hold_each_other_end(azure: Azure) -> None:
    """A cycle of memberships is walked once."""
    member = azure.principal()
    first = _group(azure, member)
    second = _group(azure, first)
    azure.world.directory.groups[first].members.append(second)
    azure.grant(second, READER, GROUP)

    assert 200 == azure.call("GET", STORE, by=member).status


def test_a_deleted_group_grants_nothing(azure: Azure) -> None:
    """Its members lose what it gave."""
    member = azure.principal()
    group = _group(azure, member)
    azure.grant(group, READER, GROUP)
    azure.world.directory.groups[group].deleted = azure.clock.at

    assert (403, "AuthorizationFailed") == outcome(azure.call("GET", STORE, by=member))


@pytest.mark.parametrize(("role", "may"), [(READER, False), (CONTRIBUTOR, False), (ACCESS_ADMIN, True), (RBAC_ADMIN, True)])
def test_roles_decide_who_may_assign_roles(azure: Azure, role: str, *, may: bool) -> None:
    """Contributor's notActions take authorization out of its ``*``."""
    someone, target = azure.principal(), azure.principal()
    azure.grant(someone, role, GROUP)

    assert (201 if may else 403) == azure.assign(target, by=someone).status


def test_the_refusal_of_a_write_names_the_assignment(azure: Azure) -> None:
    """As recorded, the scope in the text is the id of what was to be written."""
    name = azure.world.guid()

    reply = azure.assign(azure.principal(), name=name, by=azure.principal())

    assert f"over scope '{assignment(GROUP, name)}' or" in reply.body["error"]["message"]
    assert "gateway" == reply.headers["x-ms-failure-cause"]


def test_not_actions_hold_within_one_entry_only(azure: Azure) -> None:
    """What one entry takes out, another entry of the same role can grant."""
    entries = [
        {"actions": ["*"], "notActions": ["Microsoft.Storage/*"]},
        {"actions": ["Microsoft.Storage/storageAccounts/read"], "notActions": []},
    ]
    role = azure.world.guid()
    azure.world.tree.role_definitions[role] = RoleDefinition(role, "Two", "", "CustomRole", entries, [ROOT])
    someone = azure.principal()
    azure.grant(someone, role, GROUP)

    assert 200 == azure.call("GET", STORE, by=someone).status


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*/read", "Microsoft.Storage/storageAccounts/read", True),
        ("Microsoft.Storage/*/read", "Microsoft.Storage/storageAccounts/blobServices/read", True),
        ("microsoft.storage/storageaccounts/READ", "Microsoft.Storage/storageAccounts/read", True),
        ("Microsoft.Storage/*/read", "Microsoft.Storage/storageAccounts/write", False),
        ("Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/readAll", False),
        ("Microsoft.Storage.*", "MicrosoftXStorageX", False),
    ],
)
def test_wildcards_match_across_segments(pattern: str, action: str, *, expected: bool) -> None:
    """``*`` stands for any text, other characters for themselves in any case."""
    assert expected == action_matches(pattern, action)


def test_data_actions_are_apart_from_actions(azure: Azure) -> None:
    """An owner of the account may not read its blobs, a blob reader may."""
    reader = azure.principal()
    azure.grant(reader, BLOB_READER, STORE)
    asked = Circumstances(BLOB_READ)

    assert Verdict.GRANTED is decide(azure.world, reader, Scope.of(STORE), asked, data=True)
    assert Verdict.REFUSED is decide(azure.world, azure.owner, Scope.of(STORE), asked, data=True)


def test_a_fresh_assignment_does_not_grant_until_it_is_seen(azure: Azure) -> None:
    """Azure's evaluation learns of an assignment later than its writer."""
    azure.world.consistency.configure("typical", seed=1)
    reader = azure.principal()
    azure.assign(reader)

    early = azure.call("GET", STORE, by=reader)
    azure.clock.at += 700
    late = azure.call("GET", STORE, by=reader)

    assert ((403, "AuthorizationFailed"), (200, "")) == (outcome(early), outcome(late))


def test_deleting_an_assignment_cuts_off_the_token_that_is_out(azure: Azure) -> None:
    """The access token stays valid, what it may do does not."""
    reader, name = azure.principal(), azure.world.guid()
    azure.assign(reader, name=name)
    token = azure.token(reader)
    before = azure.send("GET", STORE, None, {"authorization": f"Bearer {token}"}, {"api-version": "2022-09-01"})

    azure.call("DELETE", assignment(GROUP, name))
    after = azure.send("GET", STORE, None, {"authorization": f"Bearer {token}"}, {"api-version": "2022-09-01"})

    assert (200, 403, "AuthorizationFailed") == (before.status, after.status, code(after))


def test_permissions_list_what_counts_at_the_scope(azure: Azure) -> None:
    """One entry for each role; the oldest version knows no data actions."""
    someone = azure.principal()
    azure.grant(someone, READER, ROOT)
    azure.grant(someone, BLOB_READER, STORE)
    path = f"{STORE}/providers/Microsoft.Authorization/permissions"

    old, new = (azure.call("GET", path, by=someone, version=version) for version in ("2015-07-01", "2022-04-01"))

    assert {"actions": ["*/read"], "notActions": []} == old.body["value"][0]
    assert [[], [BLOB_READ]] == [entry["dataActions"] for entry in new.body["value"]]


def test_permissions_leave_out_scopes_beside(azure: Azure) -> None:
    """A role on the account does not show at its group."""
    someone = azure.principal()
    azure.grant(someone, READER, ROOT)
    azure.grant(someone, BLOB_READER, STORE)

    reply = azure.call("GET", f"{GROUP}/providers/Microsoft.Authorization/permissions", by=someone)

    assert 1 == len(reply.body["value"])


@pytest.mark.parametrize("role", [BLOB_READER, "4633458b-17de-408a-b874-0445c86b69e6"])
def test_permissions_are_not_told_to_who_may_not_read_them(azure: Azure, role: str) -> None:
    """A role for data alone says nothing of itself, however long one waits."""
    someone = azure.principal()
    azure.grant(someone, role, STORE)

    reply = azure.call("GET", f"{STORE}/providers/Microsoft.Authorization/permissions", by=someone)

    assert (403, "AuthorizationFailed") == outcome(reply)
    assert "'Microsoft.Authorization/permissions/read'" in reply.body["error"]["message"]


def test_permissions_are_what_the_replica_that_answers_knows(azure: Azure) -> None:
    """A yes may be followed by a no, on a fresh token too, until the last of three replicas has the assignment."""
    azure.world.consistency.configure("typical", seed=1)
    someone = azure.principal()
    azure.assign(someone, properties={"principalType": "ServicePrincipal"})
    answers = []
    for _ in range(700):
        azure.clock.at += 1
        azure.world.consistency.turn()
        reply = azure.call("GET", f"{GROUP}/providers/Microsoft.Authorization/permissions", by=someone)
        answers.append(outcome(reply))
    assert (403, "AuthorizationFailed") == answers[0]
    assert (403, "AuthorizationFailed") in answers[answers.index((200, "")) :]
    assert {(200, "")} == set(answers[600:])


def test_a_role_that_is_known_shows_beside_one_that_is_not(azure: Azure) -> None:
    """The entries are those of the roles that the replica knows."""
    someone = azure.principal()
    azure.grant(someone, READER, ROOT)
    azure.world.consistency.configure("typical", seed=1)
    azure.assign(someone, BLOB_READER, STORE, properties={"principalType": "ServicePrincipal"})
    path = f"{STORE}/providers/Microsoft.Authorization/permissions"

    early = [entry["dataActions"] for entry in azure.call("GET", path, by=someone).body["value"]]
    azure.clock.at += 601
    late = [entry["dataActions"] for entry in azure.call("GET", path, by=someone).body["value"]]

    assert ([[]], [[], [BLOB_READ]]) == (early, late)
