from __future__ import annotations

import pytest

from local.cloud.state import Application, Group, Lock, RoleDefinition, User
from tests.local.arm_calls import (
    CONTRIBUTOR,
    GROUP,
    OWNER,
    READER,
    ROOT,
    STORE,
    SUBSCRIPTION,
    TENANT,
    Azure,
    assignment,
    definition,
    outcome,
)

NAME = "aaaaaaaa-0000-4000-8000-00000000000a"
LIST = "/providers/Microsoft.Authorization/roleAssignments"
MANAGEMENT_GROUP = f"/providers/Microsoft.Management/managementGroups/{TENANT}"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _names(azure: Azure, scope: str, filtered: str = "", **options: str) -> set[str]:
    reply = azure.call("GET", scope.rstrip("/") + LIST, **({"filter": filtered} if filtered else {}), **options)
    return {item["name"] for item in reply.body["value"]}


def test_creating_answers_the_assignment(azure: Azure) -> None:
    """As recorded: no creator yet, an updater, and instants of seven digits."""
    principal = azure.principal()

    reply = azure.assign(principal, name=NAME)

    role = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    properties = {
        "roleDefinitionId": role,
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "scope": GROUP,
        "condition": None,
        "conditionVersion": None,
        "createdOn": "2027-01-15T08:00:00.2500000Z",
        "updatedOn": "2027-01-15T08:00:00.2500000Z",
        "createdBy": None,
        "updatedBy": azure.owner,
        "delegatedManagedIdentityResourceId": None,
        "description": None,
    }
    kind = "Microsoft.Authorization/roleAssignments"
    expected = {"properties": properties, "id": assignment(GROUP, NAME), "type": kind, "name": NAME}
    assert (201, expected) == (reply.status, reply.body)


def test_reading_tells_who_created_it(azure: Azure) -> None:
    """Unlike the answer to the PUT."""
    azure.assign(azure.principal(), name=NAME)

    assert azure.owner == azure.call("GET", assignment(GROUP, NAME)).body["properties"]["createdBy"]


@pytest.mark.parametrize(
    ("version", "absent"),
    [
        ("2015-07-01", {"principalType", "condition", "conditionVersion", "description"}),
        ("2018-01-01-preview", {"condition", "conditionVersion", "description"}),
        ("2018-09-01-preview", {"condition", "conditionVersion", "description"}),
        ("2020-04-01-preview", set()),
        ("2022-04-01", set()),
    ],
)
def test_older_versions_know_fewer_properties(azure: Azure, version: str, absent: set[str]) -> None:
    """As recorded with each of them."""
    azure.assign(azure.principal(), name=NAME)

    shown = azure.call("GET", assignment(GROUP, NAME), version=version).body["properties"]

    assert absent == {"principalType", "condition", "conditionVersion", "description"} - set(shown)


def test_the_same_put_again_answers_201(azure: Azure) -> None:
    """A retry after a lost answer succeeds."""
    principal = azure.principal()

    replies = [azure.assign(principal, name=NAME) for _ in range(2)]

    assert [201, 201] == [reply.status for reply in replies]


def test_description_may_change(azure: Azure) -> None:
    """What may change is changed, and when and by whom is told."""
    principal = azure.principal()
    azure.assign(principal, name=NAME)
    azure.clock.at += 60

    azure.assign(principal, name=NAME, properties={"description": "lease"})

    shown = azure.call("GET", assignment(GROUP, NAME)).body["properties"]
    assert ("lease", True) == (shown["description"], shown["updatedOn"] > shown["createdOn"])


@pytest.mark.parametrize("change", ["principal", "scope", "role"])
def test_a_name_belongs_to_one_assignment(azure: Azure, change: str) -> None:
    """Names are unique in the tenant, whatever the scope."""
    principal = azure.principal()
    azure.assign(principal, name=NAME)

    reply = azure.assign(
        azure.principal() if change == "principal" else principal,
        CONTRIBUTOR if change == "role" else READER,
        STORE if change == "scope" else GROUP,
        name=NAME,
    )

    assert (400, "RoleAssignmentUpdateNotPermitted") == outcome(reply)


def test_the_same_grant_under_another_name_exists(azure: Azure) -> None:
    """Principal, role and scope are unique together; the case of the scope does not matter."""
    principal = azure.principal()
    azure.assign(principal)

    reply = azure.assign(principal, scope=GROUP.lower())

    expected = {"code": "RoleAssignmentExists", "message": "The role assignment already exists."}
    assert (409, expected) == (reply.status, reply.body["error"])


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
    azure.world.directory.role_definitions[role] = RoleDefinition(role, "Own", "", "CustomRole", [], [GROUP])
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


def test_a_list_has_what_is_above_at_and_below(azure: Azure) -> None:
    """And nothing beside."""
    azure.resource(f"{ROOT}/resourceGroups/other", "Microsoft.Resources/resourceGroups")
    principal = azure.principal()
    scopes = ("/", ROOT, GROUP, STORE, f"{ROOT}/resourceGroups/other")
    top, subscription, group, store, _ = (azure.grant(principal, READER, scope) for scope in scopes)
    owners = {item.name for item in azure.world.directory.role_assignments.of(azure.owner)}

    assert {top, subscription, group, store} == _names(azure, GROUP) - owners


def test_at_scope_leaves_out_what_is_below(azure: Azure) -> None:
    """``atScope()`` is here and above."""
    principal = azure.principal()
    top, here, _ = (azure.grant(principal, READER, scope) for scope in ("/", GROUP, STORE))
    owners = {item.name for item in azure.world.directory.role_assignments.of(azure.owner)}

    assert {top, here} == _names(azure, GROUP, "atScope()") - owners


def test_a_list_is_narrowed_to_one_principal(azure: Azure) -> None:
    """``principalId eq`` takes the principal alone, ``assignedTo`` its groups too."""
    member, group = azure.principal(), azure.world.guid()
    azure.world.directory.groups[group] = Group(group, azure.clock.at, {}, [member])
    own, through = azure.grant(member, READER, GROUP), azure.grant(group, READER, GROUP)

    found = [_names(azure, ROOT, text) for text in (f"principalId eq '{member}'", f"assignedTo('{member}')")]

    assert [{own}, {own, through}] == found


def test_terms_of_a_filter_combine(azure: Azure) -> None:
    """``and`` binds more than ``or``."""
    first, second = azure.principal(), azure.principal()
    here, below = azure.grant(first, READER, GROUP), azure.grant(second, READER, STORE)

    both = _names(azure, GROUP, f"principalId eq '{first}' or principalId eq '{second}'")
    at_scope = _names(azure, GROUP, f"atScope() and principalId eq '{first}' or atScope() and principalId eq '{second}'")

    assert ({here, below}, {here}) == (both, at_scope)


@pytest.mark.parametrize("text", ["principalId", "unknown()", "principalId ne 'x'", "atScope() xor atScope()", "atScope() and"])
def test_a_filter_that_is_not_understood_is_refused(azure: Azure, text: str) -> None:
    """Rather than answered as if it were not there."""
    assert (400, "InvalidFilter") == outcome(azure.call("GET", ROOT + LIST, filter=text))


def test_a_long_list_comes_in_pages(azure: Azure) -> None:
    """Every page but the last links to the next; together they have all, once."""
    azure.arm.settings.page_size = 2
    principal = azure.principal()
    made = [azure.grant(principal, READER, f"{GROUP}/providers/A.B/c/{index}") for index in range(5)]
    found, skip = [], ""
    while True:
        options = {"skipToken": skip} if skip else {}
        page = azure.call("GET", GROUP + LIST, filter=f"principalId eq '{principal}'", **options).body
        found += [item["name"] for item in page["value"]]
        if "nextLink" not in page:
            break
        skip = page["nextLink"].rsplit("$skipToken=", 1)[1]

    assert made == found


def test_the_quota_of_a_subscription_counts_all_in_it(azure: Azure) -> None:
    """Groups and resources included; deleting makes room."""
    azure.arm.settings.assignments_per_subscription = 3
    replies = [
        azure.assign(azure.principal(), scope=scope, name=NAME if scope == STORE else None) for scope in (STORE, GROUP, ROOT)
    ]
    azure.call("DELETE", assignment(STORE, NAME))
    replies.append(azure.assign(azure.principal()))

    assert [(201, ""), (201, ""), (400, "RoleAssignmentLimitExceeded"), (201, "")] == [outcome(item) for item in replies]


def test_the_quota_of_a_management_group_is_its_own(azure: Azure) -> None:
    """What is in subscriptions does not count for it."""
    azure.grant(azure.owner, OWNER, "/")
    azure.arm.settings.assignments_per_management_group = 1

    replies = [azure.assign(azure.principal(), scope=MANAGEMENT_GROUP) for _ in range(2)]

    assert [(201, ""), (400, "RoleAssignmentLimitExceeded")] == [outcome(item) for item in replies]


@pytest.mark.parametrize(("level", "put", "delete"), [("CanNotDelete", 201, 409), ("ReadOnly", 409, 409)])
@pytest.mark.parametrize("at", [ROOT, GROUP, STORE])
def test_locks_hold_at_their_scope_and_below(azure: Azure, level: str, put: int, delete: int, at: str) -> None:
    """A lock that forbids deletion leaves creation free, a read-only one neither."""
    kept = azure.grant(azure.principal(), READER, STORE)
    azure.world.directory.locks["x"] = Lock("x", at, level)  # type: ignore[arg-type]  # parametrized text

    replies = [azure.assign(azure.principal(), scope=STORE), azure.call("DELETE", assignment(STORE, kept))]

    assert [put, delete] == [reply.status for reply in replies]


def test_the_text_of_a_lock_names_both_scopes(azure: Azure) -> None:
    """What was to be deleted, and where the lock is."""
    kept = azure.grant(azure.principal(), READER, STORE)
    azure.world.directory.locks["x"] = Lock("x", GROUP, "CanNotDelete")

    reply = azure.call("DELETE", assignment(STORE, kept))

    expected = (
        f"The scope '{assignment(STORE, kept)}' cannot perform delete operation because following scope(s) are locked: "
        f"'{GROUP}'. Please remove the lock and try again."
    )
    assert ("ScopeLocked", expected) == (reply.body["error"]["code"], reply.body["error"]["message"])


def test_a_decision_does_not_look_at_all_assignments(azure: Azure) -> None:
    """With thousands of them, one principal's decision reads only its own."""
    for _ in range(4_000):
        azure.grant(azure.world.guid(), READER, GROUP)
    reader = azure.principal()
    azure.grant(reader, READER, GROUP)
    reads: list[str] = []
    sees = azure.world.consistency.sees

    class Counting:
        def sees(self, _observer: str, *fact: str) -> bool:
            reads.append(fact[0])
            return sees("arm", *fact)

    azure.world.consistency = Counting()  # type: ignore[assignment]  # counts what the decision asks

    assert (200, 1) == (azure.call("GET", STORE, by=reader).status, len(reads))


def test_subscription_appears_in_ids_of_roles(azure: Azure) -> None:
    """A role sent without a subscription is answered with the scope's, as recorded."""
    short = f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"

    reply = azure.assign(azure.principal(), properties={"roleDefinitionId": short})

    assert f"/subscriptions/{SUBSCRIPTION}{short}" == reply.body["properties"]["roleDefinitionId"]
