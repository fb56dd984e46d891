"""What Azure Resource Manager refuses is refused here; what it may take and the local cloud does not know is 501."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.arm import options, resources
from local.cloud.engine.http import HttpRequest, Refusal
from tests.local.arm.calls import GROUP, READER, ROOT, STORE, Azure, assignment, definition, outcome

ASSIGNMENTS = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments"
DEFINITIONS = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions"
PERMISSIONS = f"{GROUP}/providers/Microsoft.Authorization/permissions"
LOCKS = f"{GROUP}/providers/Microsoft.Authorization/locks"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


@pytest.mark.parametrize("path", [ASSIGNMENTS, DEFINITIONS, PERMISSIONS])
@pytest.mark.parametrize("version", ["1999-01-01", "2018-06-01", "2020-10-01-preview", "2022-04-02", "2999-01-01"])
def test_a_version_that_roles_do_not_have_is_refused(azure: Azure, path: str, version: str) -> None:
    """With the list of those that there are."""
    reply = azure.call("GET", path, version=version)
    assert (404, "InvalidResourceType") == outcome(reply)
    assert "2022-04-01" in reply.body["error"]["message"]


@pytest.mark.parametrize("path", ["/subscriptions", ROOT, GROUP, f"{ROOT}/resourceGroups", LOCKS, STORE])
@pytest.mark.parametrize("version", ["1999-01-01", "2999-01-01", "2021-02-30", "2021-13-01"])
def test_a_version_that_nothing_has_is_refused(azure: Azure, path: str, version: str) -> None:
    """From before Azure Resource Manager, from the future, or of no day at all."""
    assert (400, "InvalidApiVersionParameter") == outcome(azure.call("GET", path, version=version))


def test_a_version_that_roles_may_have_got_since_is_not_implemented(azure: Azure) -> None:
    """Nobody here knows what it changes."""
    assert (501, "NotImplemented") == outcome(azure.call("GET", ASSIGNMENTS, version="2023-05-01"))


@pytest.mark.parametrize("version", ["2015-07-01", "2018-09-01-preview", "2020-04-01-preview", "2022-04-01"])
def test_a_version_that_roles_have_is_taken(azure: Azure, version: str) -> None:
    """Each of the SDKs' own."""
    assert azure.call("GET", ASSIGNMENTS, version=version).status == 200


@pytest.mark.parametrize(
    ("path", "option"),
    [
        (ASSIGNMENTS, "$top"),
        (ASSIGNMENTS, "tenantId"),
        (DEFINITIONS, "$expand"),
        (f"{ROOT}/resourceGroups", "$filter"),
        (f"{ROOT}/resources", "$filter"),
        (LOCKS, "$filter"),
        (GROUP, "$expand"),
        ("/subscriptions", "$top"),
    ],
)
def test_an_option_that_is_not_read_is_not_implemented(azure: Azure, path: str, option: str) -> None:
    """Passing over it would give another answer than Azure's."""
    headers = {"authorization": f"Bearer {azure.token(azure.owner)}"}
    reply = azure.send("GET", path, None, headers, {"api-version": "2022-04-01", option: "1"})
    assert (501, "NotImplemented") == outcome(reply)


def test_an_option_that_stands_there_twice_is_not_implemented() -> None:
    """Which of the two Azure heeds is not known here."""
    call = HttpRequest("GET", GROUP, {"api-version": "2022-04-01"}, repeated=frozenset({"api-version"}))
    with pytest.raises(Refusal) as refused:
        options.check(call, resources.get_group)
    assert (501, "NotImplemented") == outcome(refused.value.reply)


@pytest.mark.parametrize(
    ("path", "expression"),
    [(ASSIGNMENTS, "principalId eq nobody"), (DEFINITIONS, "roleName eq 5"), (DEFINITIONS, "roleName eq Reader")],
)
def test_a_filter_quotes_its_texts(azure: Azure, path: str, expression: str) -> None:
    """Only GUIDs may go without."""
    assert (400, "InvalidFilter") == outcome(azure.call("GET", path, filter=expression))


def test_a_page_that_no_answer_has_led_to_is_refused(azure: Azure) -> None:
    """And not taken for the first."""
    assert azure.call("GET", ASSIGNMENTS, skipToken="zz").status == 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"tags": {"one": 1}}, (400, "InvalidRequestContent")),
        ({"tags": ["one"]}, (400, "InvalidRequestContent")),
        ({"properties": {"nope": 1}}, (501, "NotImplemented")),
        ({"location": "nowhere"}, (400, "LocationNotAvailableForResourceGroup")),
    ],
)
def test_a_group_holds_what_azure_knows(azure: Azure, body: dict[str, Any], expected: tuple[int, str]) -> None:
    """At every depth."""
    assert expected == outcome(azure.call("PUT", f"{ROOT}/resourceGroups/new", {"location": "westeurope", **body}))


def test_a_group_stays_where_it_is(azure: Azure) -> None:
    """However the region is written; in another region it is refused."""
    group = f"{ROOT}/resourceGroups/new"
    statuses = [azure.call("PUT", group, {"location": region}).status for region in ("westeurope", "West Europe", "eastus")]
    assert [201, 200, 409] == statuses


def test_a_property_of_an_assignment_that_is_not_known_is_not_implemented(azure: Azure) -> None:
    """Azure may heed it."""
    reply = azure.assign(azure.principal(), properties={"expirationDateTime": "2030-01-01"})
    assert (501, "NotImplemented") == outcome(reply)


def test_an_assignment_may_be_sent_back_as_it_was_read(azure: Azure) -> None:
    """What Azure states itself changes nothing."""
    name = azure.world.guid()
    made = azure.assign(azure.principal(), name=name).body
    assert azure.call("PUT", assignment(GROUP, name), made).status in (200, 201)


@pytest.mark.parametrize("where", ["properties", "permissions"])
def test_a_property_of_a_role_that_is_not_known_is_not_implemented(azure: Azure, where: str) -> None:
    """A condition on a permission, say."""
    permission = {"actions": ["*/read"]} | ({"condition": "true"} if where == "permissions" else {})
    properties = {"roleName": "one", "permissions": [permission], "assignableScopes": [ROOT]}
    properties |= {"expires": "never"} if where == "properties" else {}
    reply = azure.call("PUT", definition(ROOT, azure.world.guid()), {"properties": properties})
    assert (501, "NotImplemented") == outcome(reply)


@pytest.mark.parametrize(
    "body",
    [
        {"properties": {"level": "CanNotDelete", "owners": [{"applicationId": READER}]}},
        {"properties": {"level": "CanNotDelete"}, "nope": 1},
    ],
)
def test_what_a_lock_may_hold_besides_is_not_implemented(azure: Azure, body: dict[str, Any]) -> None:
    """Owners, which Azure keeps, and what nobody here knows."""
    assert (501, "NotImplemented") == outcome(azure.call("PUT", f"{LOCKS}/one", body))


def test_the_manager_of_a_group_is_not_implemented(azure: Azure) -> None:
    """Azure gives it a managed group."""
    reply = azure.call("PUT", f"{ROOT}/resourceGroups/new", {"location": "westeurope", "managedBy": STORE})
    assert (501, "NotImplemented") == outcome(reply)
