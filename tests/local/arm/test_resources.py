from __future__ import annotations

import pytest

from local.cloud.tenant.resources import Lock
from tests.local.arm.calls import BLOB_READER, GROUP, OWNER, READER, ROOT, STORE, SUBSCRIPTION, TENANT, Azure, outcome

OTHER = "/subscriptions/30000000-0000-4000-8000-000000000003"
LOCKS = "/providers/Microsoft.Authorization/locks"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _subscriptions(azure: Azure, principal: str) -> list[str]:
    reply = azure.call("GET", "/subscriptions", by=principal)
    return [item["id"] for item in reply.body["value"]]


@pytest.mark.parametrize("scope", ["/", ROOT, GROUP, STORE])
def test_a_role_anywhere_in_it_shows_a_subscription(azure: Azure, scope: str) -> None:
    """Or above it."""
    someone = azure.principal()
    azure.grant(someone, BLOB_READER, scope)

    assert _subscriptions(azure, someone) == [ROOT]


def test_without_a_role_no_subscription_is_shown(azure: Azure) -> None:
    """The list is empty, not refused."""
    azure.resource(OTHER, "Microsoft.Resources/subscriptions")

    assert (_subscriptions(azure, azure.principal()), _subscriptions(azure, azure.owner)) == ([], [ROOT])


def test_a_subscription_tells_its_tenant(azure: Azure) -> None:
    """And that it is enabled: azure-cli goes by both."""
    shown = azure.call("GET", ROOT).body

    assert (shown["subscriptionId"], shown["tenantId"], shown["state"]) == (SUBSCRIPTION, TENANT, "Enabled")


def test_the_tenant_is_shown_to_anybody(azure: Azure) -> None:
    """Who has signed in."""
    reply = azure.call("GET", "/tenants", by=azure.principal())

    assert [item["tenantId"] for item in reply.body["value"]] == [TENANT]


def test_only_readable_groups_are_listed(azure: Azure) -> None:
    """The others are left out silently."""
    azure.resource(f"{ROOT}/resourceGroups/data", "Microsoft.Resources/resourceGroups")
    someone = azure.principal()
    azure.grant(someone, READER, GROUP)

    found = [
        [item["name"] for item in azure.call("GET", f"{ROOT}/resourcegroups", by=who).body["value"]]
        for who in (someone, azure.owner)
    ]

    assert found == [["app"], ["app", "data"]]


def test_a_group_is_made_changed_and_read(azure: Azure) -> None:
    """201, then 200."""
    path = f"{ROOT}/resourcegroups/new"

    replies = [azure.call("PUT", path, {"location": "westeurope", "tags": {"for": "test"}}) for _ in range(2)]
    shown = azure.call("GET", path).body

    assert [reply.status for reply in replies] == [201, 200]
    assert (shown["tags"], shown["properties"]) == ({"for": "test"}, {"provisioningState": "Succeeded"})


def test_a_group_needs_a_location(azure: Azure) -> None:
    """Azure's code for it."""
    assert outcome(azure.call("PUT", f"{ROOT}/resourcegroups/new", {})) == (400, "LocationRequired")


@pytest.mark.parametrize(("name", "status"), [("app", 204), ("none", 404)])
def test_a_group_can_be_asked_for(azure: Azure, name: str, status: int) -> None:
    """HEAD answers without a body."""
    reply = azure.call("HEAD", f"{ROOT}/resourceGroups/{name}")

    assert (reply.status, reply.body) == (status, None)


def test_deleting_a_group_takes_all_in_it(azure: Azure) -> None:
    """Resources, assignments, locks above nothing, and the identities of what was in it."""
    identity = azure.principal()
    azure.world.directory.service_principals[identity].resource_id = STORE
    azure.grant(identity, READER, STORE)

    reply = azure.call("DELETE", GROUP)

    assert reply.status == 202
    assert azure.call("GET", reply.headers["location"].removeprefix("https://arm.local:8443").split("?")[0]).status == 200
    assert outcome(azure.call("GET", STORE)) == (404, "ResourceGroupNotFound")
    assert azure.world.tree.role_assignments.of(identity) == ()
    assert azure.world.directory.service_principals[identity].deleted == azure.clock.at


@pytest.mark.parametrize("at", [ROOT, GROUP, STORE])
def test_a_lock_above_or_inside_keeps_a_group(azure: Azure, at: str) -> None:
    """Nothing of it is deleted."""
    azure.world.tree.locks["x"] = Lock("x", at, "CanNotDelete")

    reply = azure.call("DELETE", GROUP)

    assert outcome(reply) == (409, "ScopeLocked")
    assert azure.call("GET", STORE).status == 200


def test_a_resource_is_read_by_its_id(azure: Azure) -> None:
    """With its type's read action."""
    shown = azure.call("GET", STORE, version="2024-01-01").body

    assert (shown["name"], shown["type"]) == ("one", "Microsoft.Storage/storageAccounts")


def test_a_resource_that_is_not_there_is_404(azure: Azure) -> None:
    """For those who may read there; others are refused."""
    path = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/none"

    replies = [azure.call("GET", path), azure.call("GET", path, by=azure.principal())]

    assert [outcome(reply) for reply in replies] == [(404, "ResourceNotFound"), (403, "AuthorizationFailed")]


@pytest.mark.parametrize("scope", [ROOT, GROUP])
def test_resources_are_listed_as_far_as_readable(azure: Azure, scope: str) -> None:
    """In a subscription or a group."""
    azure.resource(f"{GROUP}/providers/Microsoft.KeyVault/vaults/two", "Microsoft.KeyVault/vaults")
    someone = azure.principal()
    azure.grant(someone, READER, STORE)

    reply = azure.call("GET", f"{scope}/resources", by=someone)

    assert [item["id"] for item in reply.body["value"]] == [STORE]


def test_providers_are_registered(azure: Azure) -> None:
    """Clients ask before they create."""
    reply = azure.call("GET", f"{ROOT}/providers/microsoft.authorization")

    assert (reply.body["namespace"], reply.body["registrationState"]) == ("Microsoft.Authorization", "Registered")


def test_an_unknown_provider_is_404(azure: Azure) -> None:
    """By Azure's code."""
    assert outcome(azure.call("GET", f"{ROOT}/providers/Contoso.Web")) == (404, "InvalidResourceNamespace")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{STORE}/listKeys"),
        ("PATCH", GROUP),
        ("GET", "/providers/Microsoft.Management/managementGroups"),
        ("PUT", STORE),
    ],
)
def test_what_is_not_implemented_says_so(azure: Azure, method: str, path: str) -> None:
    """501 in Azure Resource Manager's shape."""
    assert outcome(azure.call(method, path)) == (501, "NotImplemented")


def test_a_lock_lives(azure: Azure) -> None:
    """Created, read, listed from above, changed, deleted, and gone."""
    path = f"{STORE}{LOCKS}/keep"
    body = {"properties": {"level": "CanNotDelete", "notes": "why"}}

    made, changed = azure.call("PUT", path, body), azure.call("PUT", path, {"properties": {"level": "ReadOnly"}})
    shown, listed = azure.call("GET", path), azure.call("GET", ROOT + LOCKS)
    deleted = [azure.call("DELETE", path).status for _ in range(2)]

    assert (made.status, made.body["properties"], changed.status) == (201, body["properties"], 200)
    assert (shown.body["properties"], [item["id"] for item in listed.body["value"]]) == ({"level": "ReadOnly"}, [path])
    assert (deleted, outcome(azure.call("GET", path))) == ([200, 204], (404, "LockNotFound"))


def test_a_lock_is_found_wherever_it_was_put(azure: Azure) -> None:
    """Also one that the world was furnished with."""
    azure.world.tree.locks["anything"] = Lock("keep", GROUP, "ReadOnly")

    assert azure.call("DELETE", f"{GROUP}{LOCKS}/keep").status == 200
    assert azure.world.tree.locks == {}


def test_a_lock_has_one_of_two_levels(azure: Azure) -> None:
    """Others are refused."""
    reply = azure.call("PUT", f"{GROUP}{LOCKS}/keep", {"properties": {"level": "Soft"}})

    assert outcome(reply) == (400, "LockLevelInvalid")


def test_locking_takes_a_permission(azure: Azure) -> None:
    """A reader may see locks, not make them."""
    reader = azure.principal()
    azure.grant(reader, READER, GROUP)
    body = {"properties": {"level": "ReadOnly"}}

    replies = [azure.call("GET", GROUP + LOCKS, by=reader), azure.call("PUT", f"{GROUP}{LOCKS}/x", body, by=reader)]

    assert [reply.status for reply in replies] == [200, 403]


def test_a_second_subscription_is_apart(azure: Azure) -> None:
    """A role in one does not count in the other."""
    azure.resource(OTHER, "Microsoft.Resources/subscriptions")
    owner = azure.principal(azure.world.guid())
    azure.grant(owner, OWNER, OTHER)

    assert [azure.call("GET", path, by=owner).status for path in (OTHER, ROOT)] == [200, 403]


NESTED = f"{GROUP}/providers/Microsoft.Web/sites/one/slots/blue"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("name eq 'one' and resourceType eq 'Microsoft.Storage/storageAccounts'", [STORE]),
        ("resourceType eq 'MICROSOFT.STORAGE/STORAGEACCOUNTS' and name eq 'ONE'", [STORE]),
        ("resourceType eq 'Microsoft.Web/sites/slots' and name eq 'one/blue'", [NESTED]),
        ("name eq 'one'", [STORE]),
        ("name eq 'on'", []),
        ("name eq 'one' and resourceType eq 'Microsoft.Web/sites'", []),
    ],
)
@pytest.mark.parametrize("scope", [ROOT, GROUP])
def test_a_resource_of_any_type_is_found_by_its_type_and_name(azure: Azure, scope: str, wanted: str, found: list[str]) -> None:
    """With the list's own api-version, and with its location. The name of a nested one has two parts."""
    azure.resource(NESTED, "Microsoft.Web/sites/slots")

    listed = azure.call("GET", f"{scope}/resources", version="2021-04-01", filter=wanted).body["value"]

    assert [(each, "westeurope") for each in found] == [(each["id"], each["location"]) for each in listed]


def test_what_cannot_be_read_is_not_found_either(azure: Azure) -> None:
    """The list is empty, and not refused."""
    reply = azure.call("GET", f"{GROUP}/resources", by=azure.principal(), filter="name eq 'one'")

    assert (200, []) == (reply.status, reply.body["value"])


@pytest.mark.parametrize(
    "wanted", ["location eq 'westeurope'", "substringof('one', name)", "name ne 'one'", "tagName eq 'a' and tagValue eq 'b'"]
)
def test_another_filter_of_azures_is_not_there(azure: Azure, wanted: str) -> None:
    """501, and no list of everything."""
    assert (501, "NotImplemented") == outcome(azure.call("GET", f"{GROUP}/resources", filter=wanted))
