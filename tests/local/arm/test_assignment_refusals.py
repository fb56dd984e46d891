from __future__ import annotations

import pytest

from local.cloud.tenant.directory import Application, Group, User
from local.cloud.tenant.resources import RoleDefinition
from tests.local.arm.calls import GROUP, OWNER, READER, ROOT, STORE, TENANT, Azure, assignment, definition, outcome

NAME = "aaaaaaaa-0000-4000-8000-00000000000a"
LIST = "/providers/Microsoft.Authorization/roleAssignments"
MANAGEMENT_GROUP = f"/providers/Microsoft.Management/managementGroups/{TENANT}"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def test_an_unknown_principal_is_named_without_dashes(azure: Azure) -> None:
    """As in all recordings."""
    unknown = azure.world.guid()

    reply = azure.assign(unknown)

    assert (400, "PrincipalNotFound") == outcome(reply)
    start = f"Principal {unknown.replace('-', '')} does not exist in the directory {TENANT}."
    assert reply.body["error"]["message"].startswith(start)


def test_a_principal_that_has_not_arrived_is_not_found(azure: Azure) -> None:
    """ARM reads a replica of the directory; later the same call succeeds."""
    azure.world.consistency.configure("typical", seed=1)
    principal = azure.principal()
    azure.world.consistency.wrote("principal", principal)

    early = azure.assign(principal, name=NAME)
    azure.clock.at += 200
    late = azure.assign(principal, name=NAME)

    assert ((400, "PrincipalNotFound"), (201, "")) == (outcome(early), outcome(late))


def test_a_principal_type_spares_the_look_up(azure: Azure) -> None:
    """With it, a principal that has not arrived is believed."""
    azure.world.consistency.configure("typical", seed=1)
    principal = azure.principal()
    azure.world.consistency.wrote("principal", principal)

    assert 201 == azure.assign(principal, properties={"principalType": "ServicePrincipal"}).status


def test_old_versions_do_not_look_at_the_principal_type(azure: Azure) -> None:
    """It is honoured from 2018-09-01-preview on."""
    reply = azure.assign(azure.world.guid(), properties={"principalType": "ServicePrincipal"}, version="2015-07-01")

    assert (400, "PrincipalNotFound") == outcome(reply)


def test_a_known_principal_of_another_type_is_refused(azure: Azure) -> None:
    """Azure spells the word in the text its own way."""
    reply = azure.assign(azure.principal(), properties={"principalType": "User"})

    assert (400, "UnmatchedPrincipalType") == outcome(reply)
    assert "specified PrinciaplType 'User'" in reply.body["error"]["message"]


def test_an_application_is_no_principal(azure: Azure) -> None:
    """Its object id is often mistaken for its service principal's."""
    made = azure.world.guid()
    azure.world.directory.applications[made] = Application(made, azure.world.guid(), azure.clock.at, {})

    assert (400, "UnsupportedPrincipalType") == outcome(azure.assign(made))


def test_a_deleted_principal_is_not_found(azure: Azure) -> None:
    """The recycle bin does not count."""
    principal = azure.principal()
    azure.world.directory.service_principals[principal].deleted = azure.clock.at

    assert (400, "PrincipalNotFound") == outcome(azure.assign(principal))


def test_the_type_is_found_out(azure: Azure) -> None:
    """Users and groups can be assigned roles as well."""
    user, group = azure.world.guid(), azure.world.guid()
    azure.world.directory.users[user] = User(user, azure.clock.at, {})
    azure.world.directory.groups[group] = Group(group, azure.clock.at, {})

    types = [azure.assign(principal).body["properties"]["principalType"] for principal in (user, group)]

    assert ["User", "Group"] == types


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"principalId": "wow"}, "InvalidPrincipalId"),
        ({"principalId": None}, "InvalidPrincipalId"),
        ({"roleDefinitionId": READER}, "BadRequestFormat"),
        ({"roleDefinitionId": definition(ROOT, READER) + "|"}, "InvalidRoleDefinitionId"),
        ({"principalType": "Robot"}, "BadRequestFormat"),
        ({"condition": 5}, "BadRequestFormat"),
    ],
)
def test_malformed_bodies_are_refused(azure: Azure, properties: dict[str, object], expected: str) -> None:
    """Each with Azure's code for it."""
    assert (400, expected) == outcome(azure.assign(azure.principal(), properties=properties))


def test_a_body_without_properties_is_refused(azure: Azure) -> None:
    """The properties are not at the top."""
    assert (400, "BadRequestFormat") == outcome(azure.call("PUT", assignment(GROUP, NAME), {"principalId": "x"}))


def test_a_body_that_is_no_json_is_refused(azure: Azure) -> None:
    """And not taken for a fault of the local cloud."""
    assert (400, "InvalidRequestContent") == outcome(azure.call("PUT", assignment(GROUP, NAME), ["list"]))


def test_a_name_that_is_no_guid_is_refused(azure: Azure) -> None:
    """Names are chosen by the client, but GUIDs."""
    assert (400, "InvalidRoleAssignmentId") == outcome(azure.assign(azure.principal(), name="mine"))


def test_a_role_that_does_not_exist_is_refused(azure: Azure) -> None:
    """By the code that reading it has."""
    assert (404, "RoleDefinitionDoesNotExist") == outcome(azure.assign(azure.principal(), azure.world.guid()))


def test_a_custom_role_is_unknown_outside_its_assignable_scopes(azure: Azure) -> None:
    """It can be assigned in them and below."""
    role = azure.world.guid()
    azure.world.tree.role_definitions[role] = RoleDefinition(role, "Own", "", "CustomRole", [], [GROUP])
    principal = azure.principal()

    replies = [azure.assign(principal, role, scope) for scope in (ROOT, GROUP, STORE)]

    assert [404, 201, 201] == [reply.status for reply in replies]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("/subscriptions/00000000-0000-4000-8000-000000000000", "SubscriptionNotFound"),
        (f"{ROOT}/resourceGroups/none", "ResourceGroupNotFound"),
        (f"{ROOT}/resourceGroups/none/providers/Microsoft.Storage/storageAccounts/one", "ResourceGroupNotFound"),
        (f"{GROUP}/providers/Microsoft.Storage/storageAccounts/none", "ResourceNotFound"),
        (f"{GROUP}/providers/Microsoft.Network/virtualNetworks/none/subnets/x", "ResourceNotFound"),
        ("/providers/Microsoft.Management/managementGroups/none", "NotFound"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE", "LIST"])
def test_a_scope_that_is_gone_is_404(azure: Azure, scope: str, expected: str, method: str) -> None:
    """Whatever is asked of it."""
    azure.grant(azure.owner, OWNER, "/")
    path = scope + LIST if method == "LIST" else assignment(scope, NAME)
    role = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    body = {"properties": {"principalId": azure.owner, "roleDefinitionId": role}}

    assert (404, expected) == outcome(azure.call(method.replace("LIST", "GET"), path, body))


def test_the_text_for_a_missing_resource_names_type_and_group(azure: Azure) -> None:
    """As recorded."""
    reply = azure.call("DELETE", assignment(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/none", NAME))

    expected = (
        "The Resource 'Microsoft.Storage/storageAccounts/none' under resource group 'app' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    assert expected == reply.body["error"]["message"]


def test_the_text_for_a_missing_group_names_it(azure: Azure) -> None:
    """The group is looked for before what is said to be in it."""
    scope = f"{ROOT}/resourceGroups/none/providers/Microsoft.Storage/storageAccounts/none"

    reply = azure.call("GET", assignment(scope, NAME))

    assert "Resource group 'none' could not be found." == reply.body["error"]["message"]


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE", "LIST"])
@pytest.mark.parametrize("place", ["none", "none/providers/Microsoft.Storage/storageAccounts/one"])
def test_rights_come_before_existence(azure: Azure, place: str, method: str) -> None:
    """Azure's text says so: no authorization to perform the action over the scope, "or the scope is invalid"."""
    elsewhere, scope = azure.principal(), f"{ROOT}/resourceGroups/{place}"
    azure.grant(elsewhere, OWNER, GROUP)
    path = scope + LIST if method == "LIST" else assignment(scope, NAME)

    assert (403, "AuthorizationFailed") == outcome(azure.call(method.replace("LIST", "GET"), path, {}, by=elsewhere))


@pytest.mark.parametrize("scope", [ROOT, GROUP, STORE, f"{STORE}/blobServices/default/containers/none"])
def test_a_scope_that_is_there_has_no_such_assignment(azure: Azure, scope: str) -> None:
    """Of what is nested in a resource, Resource Manager knows nothing: it may be a scope whether it is there or not."""
    reply = azure.call("GET", assignment(scope, NAME))

    assert (404, "RoleAssignmentNotFound") == outcome(reply)
    assert f"The role assignment '{NAME}' is not found." == reply.body["error"]["message"]
    assert 201 == azure.assign(azure.principal(), scope=scope).status


def test_deleting_answers_the_assignment_once(azure: Azure) -> None:
    """200 with the body first, 204 without one after."""
    azure.assign(azure.principal(), name=NAME)

    first, second = (azure.call("DELETE", assignment(GROUP, NAME)) for _ in range(2))

    assert (200, NAME, 204, None) == (first.status, first.body["name"], second.status, second.body)


def test_deleting_at_another_scope_leaves_it(azure: Azure) -> None:
    """The name alone does not find it."""
    azure.assign(azure.principal(), name=NAME)

    replies = [azure.call("DELETE", assignment(ROOT, NAME)), azure.call("GET", assignment(GROUP, NAME))]

    assert [204, 200] == [reply.status for reply in replies]


def test_an_assignment_outlives_its_principal(azure: Azure) -> None:
    """Azure leaves orphans."""
    principal = azure.principal()
    azure.assign(principal, name=NAME)
    azure.world.directory.service_principals[principal].deleted = azure.clock.at

    assert principal == azure.call("GET", assignment(GROUP, NAME)).body["properties"]["principalId"]


def test_reading_what_is_not_there_is_404(azure: Azure) -> None:
    """With the name in the text."""
    reply = azure.call("GET", assignment(GROUP, NAME))

    expected = {"code": "RoleAssignmentNotFound", "message": f"The role assignment '{NAME}' is not found."}
    assert (404, expected) == (reply.status, reply.body["error"])


def test_assignments_can_be_made_on_nested_resources(azure: Azure) -> None:
    """Azure asks for the resource at the top only."""
    azure.resource(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net", "Microsoft.Network/virtualNetworks")
    subnet = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net/subnets/one"

    reply = azure.assign(azure.principal(), scope=subnet)

    assert (201, subnet) == (reply.status, reply.body["properties"]["scope"])


def test_at_a_management_group_the_role_has_no_subscription(azure: Azure) -> None:
    """Its id begins at the providers, as recorded."""
    azure.grant(azure.owner, OWNER, "/")

    reply = azure.assign(azure.principal(), scope=MANAGEMENT_GROUP)

    expected = f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    assert (201, expected) == (reply.status, reply.body["properties"]["roleDefinitionId"])
