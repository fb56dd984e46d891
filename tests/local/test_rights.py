"""The local broker's rights are those of a deployment, each of them is needed, and there is none beside them."""

from __future__ import annotations

import json
import subprocess

import pytest

from local import snapshots
from local.cloud.control.deployment import graph_permissions
from local.cloud.rbac import builtin_roles
from local.cloud.rbac.access import definition_of
from local.cloud.tenant.first_party import GRAPH as GRAPH_APP
from local.cloud.tenant.resources import RoleAssignment
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock
from tests.machine.azure import ARM, GRAPH, Azure

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
GIVE = "AppRoleAssignment.ReadWrite.All"
OWNED, MEMBERS, READ = "Application.ReadWrite.OwnedBy", "GroupMember.ReadWrite.All", "Application.Read.All"
ACCOUNT = "leasehold/providers/Microsoft.Storage/storageAccounts/account"
INSIGHTS = "leasehold/providers/Microsoft.Insights/components/leasehold-insights"
TOPIC = "leasehold/providers/Microsoft.EventGrid/topics/leasehold"
VAULT = "app/providers/Microsoft.KeyVault/vaults/app"
CONDITIONED = "Role Based Access Control Administrator"


def _azure(*, groups: bool = False) -> Azure:
    return Azure(Calls(FakeClock()), groups=groups)


def _held(azure: Azure) -> list[RoleAssignment]:
    return [each for each in azure.world.tree.role_assignments.values() if each.principal_id == azure.broker.object_id]


def _permissions(azure: Azure) -> set[str]:
    principal = azure.world.directory.service_principals[azure.broker.object_id]
    assert {GRAPH_APP} == {each.resource_app_id for each in principal.app_roles}
    return {each.value for each in principal.app_roles}


def _forget(azure: Azure, permission: str) -> None:
    principal = azure.world.directory.service_principals[azure.broker.object_id]
    principal.app_roles = [each for each in principal.app_roles if each.value != permission]


def _assigns(azure: Azure, group: str, role: str = READER, kind: str = "ServicePrincipal") -> int:
    subscription = f"/subscriptions/{azure.world.subscription_id}"
    definition = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": azure.world.guid(), "principalType": kind}
    path = f"{subscription}/resourceGroups/{group}/providers/Microsoft.Authorization/roleAssignments/{azure.world.guid()}"
    url = f"{ARM}{path}?api-version=2022-04-01"
    return azure.by_hand("PUT", url, json.dumps({"properties": properties}).encode())


def _registers(azure: Azure) -> int:
    return azure.by_hand("POST", f"{GRAPH}/v1.0/applications", json.dumps({"displayName": "one"}).encode())


def _joins(azure: Azure) -> int:
    assert 201 == _registers(azure)
    made = next(each for each in azure.world.directory.applications.values() if each.properties["displayName"] == "one")
    assert 201 == azure.by_hand("POST", f"{GRAPH}/v1.0/servicePrincipals", json.dumps({"appId": made.app_id}).encode())
    principal = azure.world.directory.principal_of(made.app_id)
    assert principal is not None
    member = {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/{principal.id}"}
    return azure.by_hand("POST", f"{GRAPH}/v1.0/groups/{azure.readers.id}/members/$ref", json.dumps(member).encode())


def _reads_the_bin(azure: Azure) -> int:
    return azure.by_hand("GET", f"{GRAPH}/v1.0/directory/deletedItems/microsoft.graph.application")


def _named(azure: Azure, assignment: RoleAssignment) -> str:
    definition = definition_of(azure.world, assignment)
    assert definition is not None
    return definition.role_name


def test_the_broker_has_these_azure_roles_and_no_other() -> None:
    """One more, in the template or here, is to be thought about."""
    azure = _azure()
    prefix = f"/subscriptions/{azure.world.subscription_id}/resourceGroups/"
    found = {
        (
            each.scope.removeprefix(prefix),
            _named(azure, each),
            each.condition is not None,
        )
        for each in _held(azure)
    }

    assert found == {
        ("app", CONDITIONED, True),
        ("data", CONDITIONED, True),
        (ACCOUNT, "Storage Blob Data Owner", False),
        (ACCOUNT, "Storage Queue Data Contributor", False),
        (ACCOUNT, "Storage Table Data Contributor", False),
        (INSIGHTS, "Monitoring Metrics Publisher", False),
        (TOPIC, "EventGrid Data Sender", False),
        (VAULT, "Leasehold Courier (app)", False),
    }


def test_the_condition_is_that_of_the_template() -> None:
    """Word for word, but for the broker's own id."""
    azure = _azure()
    condition = snapshots.read("grants").outputs["condition"].replace(snapshots.PRINCIPAL, azure.broker.object_id)

    assert {condition} == {each.condition for each in _held(azure) if each.condition}


def test_callers_groups_take_permissions_that_only_read() -> None:
    """They are asked for by an option of their own, and neither option gives what the other is for."""
    reading = {READ, "GroupMember.Read.All", "User.ReadBasic.All"}

    assert {OWNED, *reading} == set(graph_permissions(groups=False, caller_groups=True))
    assert {OWNED, MEMBERS, *reading} == set(graph_permissions(groups=True, caller_groups=True))


def test_permissions_for_roles_in_graph_are_asked_for_alone() -> None:
    """No other option gives the one that is worth the tenant."""
    assert {OWNED, READ, GIVE} == set(graph_permissions(groups=False, graph_app_roles=True))
    assert GIVE not in graph_permissions(groups=True, caller_groups=True)


@pytest.mark.parametrize(("groups", "expected"), [(False, {OWNED}), (True, {OWNED, MEMBERS, READ})])
def test_the_broker_has_these_graph_permissions_and_no_other(groups: bool, expected: set[str]) -> None:  # noqa: FBT001
    """Least unless asked, here as with the script, which reads the same file."""
    assert expected == _permissions(_azure(groups=groups)) == set(graph_permissions(groups=groups))


@pytest.mark.parametrize("group", ["app", "data"])
def test_each_grant_is_needed(group: str) -> None:
    """Without it, nothing is assigned there; with it, what it lists, to service principals."""
    azure = _azure()
    assert 201 == _assigns(azure, group)
    assert (403, 403) == (_assigns(azure, group, builtin_roles.ALL[0].name), _assigns(azure, group, kind="User"))
    for each in _held(azure):
        if each.scope.endswith(f"/{group}"):
            del azure.world.tree.role_assignments[each.name]

    assert 403 == _assigns(azure, group)


@pytest.mark.parametrize(
    ("permission", "groups", "action"), [(OWNED, False, _registers), (MEMBERS, True, _joins), (READ, True, _reads_the_bin)]
)
def test_each_graph_permission_is_needed(permission: str, groups: bool, action: object) -> None:  # noqa: FBT001
    """Without it, what it is for is refused."""
    assert callable(action)
    azure = _azure(groups=groups)
    assert 300 > action(azure)

    azure = _azure(groups=groups)
    _forget(azure, permission)
    assert 403 == action(azure)


def test_the_broker_lives_in_a_group_of_its_own_and_locked() -> None:
    """As deployed: its identity, its storage under the template's lock, and no right to assign anything there."""
    azure = _azure()

    assert str(azure.broker.resource_id).endswith(
        "/resourceGroups/leasehold/providers/Microsoft.ManagedIdentity/userAssignedIdentities/leasehold-broker"
    )
    assert [("CanNotDelete", True)] == [(each.level, each.scope.endswith(ACCOUNT)) for each in azure.world.tree.locks.values()]
    assert 403 == _assigns(azure, "leasehold")


def test_tokens_are_of_the_version_that_the_script_asks_for() -> None:
    """Version 2: their audience is the client id."""
    azure = _azure()
    api = azure.world.directory.application_of(azure.world.directory.broker_app_id)

    assert api is not None
    assert 2 == api.properties["api"]["requestedAccessTokenVersion"]


def test_the_script_reads_the_file_of_permissions() -> None:
    """And names none itself."""
    script = (snapshots.INFRA / "entra.sh").read_text()

    assert "graph-permissions.txt" in script
    assert [] == [each for each in graph_permissions(groups=True, caller_groups=True) if each in script]
    assert 0 == subprocess.run(["bash", "-n", str(snapshots.INFRA / "entra.sh")], check=False).returncode
