from __future__ import annotations

import uuid

import pytest

from local.cloud.rbac import builtin_roles
from tests.local.arm.calls import CONTRIBUTOR, GROUP, OWNER, READER, ROOT, STORE, Azure, definition, outcome

NAME = "bbbbbbbb-0000-4000-8000-00000000000b"
LIST = "/providers/Microsoft.Authorization/roleDefinitions"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _body(**changes: object) -> dict[str, object]:
    properties: dict[str, object] = {
        "roleName": "Restarter",
        "description": "Restarts.",
        "permissions": [{"actions": ["Microsoft.Compute/virtualMachines/restart/action"]}],
        "assignableScopes": [ROOT],
    }
    return {"properties": {**properties, **changes}}


def _names(azure: Azure, scope: str, filtered: str = "") -> list[str]:
    reply = azure.call("GET", scope + LIST, **({"filter": filtered} if filtered else {}))
    return [item["properties"]["roleName"] for item in reply.body["value"]]


def test_creating_answers_the_role(azure: Azure) -> None:
    """Absent lists of permissions come back empty, and the type is filled in."""
    reply = azure.call("PUT", definition(ROOT, NAME), _body())

    permission: dict[str, list[str]] = {"notActions": [], "dataActions": [], "notDataActions": []}
    properties = {
        "roleName": "Restarter",
        "type": "CustomRole",
        "description": "Restarts.",
        "assignableScopes": [ROOT],
        "permissions": [{"actions": ["Microsoft.Compute/virtualMachines/restart/action"], **permission}],
        "createdOn": "2027-01-15T08:00:00.2500000Z",
        "updatedOn": "2027-01-15T08:00:00.2500000Z",
        "createdBy": None,
        "updatedBy": azure.owner,
    }
    kind = "Microsoft.Authorization/roleDefinitions"
    expected = {"properties": properties, "id": definition(ROOT, NAME), "type": kind, "name": NAME}
    assert (reply.status, reply.body) == (201, expected)


def test_the_oldest_version_knows_no_data_actions(azure: Azure) -> None:
    """As recorded."""
    reply = azure.call("PUT", definition(ROOT, NAME), _body(), version="2015-07-01")

    assert set(reply.body["properties"]["permissions"][0]) == {"actions", "notActions"}


def test_a_custom_role_can_be_assigned_and_grants(azure: Azure) -> None:
    """Its actions count like a built-in role's."""
    azure.call("PUT", definition(ROOT, NAME), _body(permissions=[{"actions": ["Microsoft.Storage/*/read"]}]))
    someone = azure.principal()
    azure.assign(someone, NAME)

    assert [azure.call("GET", path, by=someone).status for path in (STORE, GROUP)] == [200, 403]


def test_changing_a_custom_role_changes_what_it_grants(azure: Azure) -> None:
    """Without touching its assignments."""
    azure.call("PUT", definition(ROOT, NAME), _body(permissions=[{"actions": ["Microsoft.Storage/*/read"]}]))
    someone = azure.principal()
    azure.assign(someone, NAME)

    azure.call("PUT", definition(ROOT, NAME), _body())

    assert azure.call("GET", STORE, by=someone).status == 403


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": "BuiltInRole"}, (400, "InvalidRoleDefinitionType")),
        ({"roleName": ""}, (400, "RoleDefinitionNameNullOrEmpty")),
        ({"assignableScopes": []}, (400, "MissingAssignableScopes")),
        ({"assignableScopes": ["Invalid_Scope"]}, (400, "LinkedInvalidPropertyId")),
        ({"assignableScopes": ["/"]}, (400, "LinkedInvalidPropertyId")),
        ({"permissions": [{"actions": ["do it all"]}]}, (400, "InvalidActionOrNotAction")),
        ({"permissions": "all"}, (400, "BadRequestFormat")),
        ({"roleName": "reader"}, (409, "RoleDefinitionWithSameNameExists")),
        ({"assignableScopes": [f"{ROOT}/resourceGroups/none"]}, (404, "ResourceGroupNotFound")),
        (
            {"assignableScopes": ["/subscriptions/00000000-0000-4000-8000-000000000000"]},
            (403, "LinkedAuthorizationFailed"),
        ),
    ],
)
def test_what_is_wrong_with_a_role_is_refused(azure: Azure, changes: dict[str, object], expected: tuple[int, str]) -> None:
    """Each with Azure's status and code."""
    assert expected == outcome(azure.call("PUT", definition(ROOT, NAME), _body(**changes)))


def test_a_role_cannot_be_given_to_a_scope_that_the_caller_does_not_own(azure: Azure) -> None:
    """An owner of the group may not write roles for the subscription."""
    someone = azure.principal()
    azure.grant(someone, OWNER, GROUP)

    reply = azure.call("PUT", definition(GROUP, NAME), _body(), by=someone)

    assert outcome(reply) == (403, "LinkedAuthorizationFailed")


def test_a_built_in_role_cannot_be_overwritten(azure: Azure) -> None:
    """Nor deleted."""
    replies = [azure.call("PUT", definition(ROOT, READER), _body()), azure.call("DELETE", definition(ROOT, READER))]

    assert [outcome(reply) for reply in replies] == [
        (409, "RoleDefinitionExists"),
        (400, "InvalidRoleDefinitionType"),
    ]


def test_the_name_of_a_custom_role_is_unique(azure: Azure) -> None:
    """Under any other id."""
    azure.call("PUT", definition(ROOT, NAME), _body())

    reply = azure.call("PUT", definition(ROOT, azure.world.guid()), _body())

    assert outcome(reply) == (409, "RoleDefinitionWithSameNameExists")


def test_the_number_of_custom_roles_is_limited(azure: Azure) -> None:
    """In the tenant."""
    azure.arm.settings.custom_roles = 1
    azure.call("PUT", definition(ROOT, NAME), _body())

    reply = azure.call("PUT", definition(ROOT, azure.world.guid()), _body(roleName="Other"))

    assert outcome(reply) == (400, "RoleDefinitionLimitExceeded")


def test_a_contributor_may_not_write_roles(azure: Azure) -> None:
    """Its notActions say so."""
    someone = azure.principal()
    azure.grant(someone, CONTRIBUTOR, ROOT)

    assert outcome(azure.call("PUT", definition(ROOT, NAME), _body(), by=someone)) == (403, "AuthorizationFailed")


def test_deleting_answers_the_role_once(azure: Azure) -> None:
    """200 with the body first, 204 without one after."""
    azure.call("PUT", definition(ROOT, NAME), _body())

    first, second = (azure.call("DELETE", definition(ROOT, NAME)) for _ in range(2))

    assert (first.status, first.body["name"], second.status, second.body) == (200, NAME, 204, None)


def test_a_role_that_is_assigned_cannot_be_deleted(azure: Azure) -> None:
    """Its assignments go first."""
    azure.call("PUT", definition(ROOT, NAME), _body())
    azure.assign(azure.principal(), NAME)

    assert outcome(azure.call("DELETE", definition(ROOT, NAME))) == (400, "RoleDefinitionHasAssignments")


def test_reading_a_role_that_does_not_exist_is_404(azure: Azure) -> None:
    """With the id in the text."""
    reply = azure.call("GET", definition(ROOT, NAME))

    message = f"The specified role definition with ID '{NAME}' does not exist."
    assert (reply.status, reply.body["error"]) == (404, {"code": "RoleDefinitionDoesNotExist", "message": message})


def test_a_role_name_is_found_in_any_case(azure: Azure) -> None:
    """As recorded, for ``contributor``."""
    reply = azure.call("GET", ROOT + LIST, filter="roleName eq 'contributor'")

    assert [item["name"] for item in reply.body["value"]] == [CONTRIBUTOR]


def test_custom_roles_are_listed_where_they_can_be_assigned(azure: Azure) -> None:
    """At the group and below, and from the subscription when asked for what is below."""
    azure.call("PUT", definition(GROUP, NAME), _body(assignableScopes=[GROUP]))
    kind = "type eq 'CustomRole'"

    found = [_names(azure, *asked) for asked in ((STORE, kind), (ROOT, kind), (ROOT, f"atScopeAndBelow() and {kind}"))]

    assert found == [["Restarter"], [], ["Restarter"]]


def test_built_in_roles_are_listed_with_the_subscription_in_their_ids(azure: Azure) -> None:
    """At the tenant's root without it, and for anybody."""
    stranger = azure.principal()

    inside = azure.call("GET", GROUP + LIST, filter="roleName eq 'Reader'").body["value"][0]["id"]
    above = azure.call("GET", LIST, filter="roleName eq 'Reader'", by=stranger).body["value"][0]["id"]

    assert [inside, above] == [definition(ROOT, READER), definition("", READER)]


def test_listing_roles_takes_a_permission(azure: Azure) -> None:
    """Below the tenant's root."""
    assert outcome(azure.call("GET", GROUP + LIST, by=azure.principal())) == (403, "AuthorizationFailed")


def test_the_built_in_roles_are_told_apart() -> None:
    """Every name and GUID is there once, and every GUID is one."""
    names = {role.role_name for role in builtin_roles.ALL}

    assert len(builtin_roles.ALL) == len(names) == len({uuid.UUID(role.name) for role in builtin_roles.ALL})
