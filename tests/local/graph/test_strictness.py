"""What Graph refuses is refused here; what it may take and the local Graph does not know is 501."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from local.cloud.graph.errors import GRAPH_APP_ID
from local.cloud.graph.routes import TABLE
from tests.local.graph.calls import Client, Tenant, error

EVENTUAL = {"ConsistencyLevel": "eventual"}
REFUSED, UNKNOWN = (400, "BadRequest"), (501, "NotImplemented")
BAD = (400, "Request_BadRequest")


@pytest.fixture
def client() -> Client:
    """An application that may do everything here."""
    permissions = ("Directory", "Application", "User")
    return Tenant().client(*(f"{name}.ReadWrite.All" for name in permissions), "AppRoleAssignment.ReadWrite.All")


@pytest.mark.parametrize("collection", ["applications", "servicePrincipals", "groups", "users", "oauth2PermissionGrants"])
@pytest.mark.parametrize(
    "expression",
    ["nope eq 1", "nope eq 'a'", "startswith(nope,'a')", "nope in ('a')", "nope/any(n:n eq 'a')", "id eq 'a' or nope eq 'b'"],
)
def test_a_filter_on_what_no_type_has_is_refused(client: Client, collection: str, expression: str) -> None:
    """Even though nothing could match it."""
    reply = client.get(f"/{collection}?$filter={quote(expression)}")
    assert REFUSED == error(reply)
    assert "Could not find a property named 'nope'" in reply.body["error"]["message"]


@pytest.mark.parametrize(
    "option",
    [
        "$filter=web/nope eq 'a'",
        "$filter=displayName eq nope",
        "$orderby=nope",
        "$orderby=displayName sideways",
        "$select=nope",
        "$select=id,nope",
        "$nope=1",
        "$count=perhaps",
    ],
)
def test_an_option_that_says_nothing_is_refused(client: Client, option: str) -> None:
    """As Azure does, and not passed over."""
    assert REFUSED == error(client.get(f"/applications?{quote(option, safe='=$')}"))


@pytest.mark.parametrize(
    "expression",
    [
        "appId eq 1",
        "appId eq 5abc",
        "displayName eq 1.5",
        "displayName ge 5",
        "displayName eq true",
        "displayName in ('a', 5)",
        "id eq 00000000-0000-0000-0000-000000000001",
        "createdDateTime ge 'yesterday'",
        "isFallbackPublicClient eq 'yes'",
        "web/homePageUrl eq 5",
        "web eq 'a'",
        "tags eq 'a'",
        "tags/any(t:t eq 1)",
        "appRoles/any(r:r/isEnabled eq 'a')",
        "appRoles/any(r:r/nope eq 'a')",
        "requiredResourceAccess/any(r:r/resourceAccess/any(a:a/nope eq 'b'))",
        "tags/any(t:t/nope eq 'a')",
        "displayName/any(d:d eq 'a')",
        "startswith(displayName, 5)",
        "startswith(createdDateTime, '2026')",
    ],
)
def test_a_filter_compares_what_can_be_compared(client: Client, expression: str) -> None:
    """Even though nothing could match it."""
    assert REFUSED == error(client.get(f"/applications?$filter={quote(expression)}"))


@pytest.mark.parametrize(
    "expression",
    [
        "displayName eq null",
        "createdDateTime ge 2026-01-01T00:00:00Z",
        "createdDateTime ge 2026-01-01",
        "isFallbackPublicClient eq true",
        "api/requestedAccessTokenVersion eq 2",
        "tags/any(t:t eq 'a')",
        "tags/any(t:startswith(t, 'a'))",
        "appRoles/any(r:r/value eq 'a' and r/isEnabled eq true)",
        "passwordCredentials/any(p:p/keyId eq 00000000-0000-0000-0000-000000000001)",
    ],
)
def test_a_filter_in_the_propertys_own_type_is_read(client: Client, expression: str) -> None:
    """Elements of collections included."""
    assert 200 == client.get(f"/applications?$filter={quote(expression)}").status


def test_a_list_is_no_order(client: Client) -> None:
    """Azure sorts by single values."""
    assert REFUSED == error(client.get("/applications?$orderby=tags"))


def test_an_option_that_stands_there_twice_is_refused() -> None:
    """In a batch as well; neither of the two is passed over."""
    tenant = Tenant()
    inner = "/applications?$filter=displayName eq 'a'&$filter=displayName eq 'b'"
    batch = {"requests": [{"id": "1", "method": "GET", "url": inner}]}
    (reply,) = tenant.client("Application.Read.All").post("/$batch", batch).body["responses"]
    assert (400, "BadRequest") == (reply["status"], reply["body"]["error"]["code"])


@pytest.mark.parametrize(
    ("option", "expected"), [("$select=nope", REFUSED), ("$filter=id eq 'a'", UNKNOWN), ("$nope=1", REFUSED)]
)
def test_the_organizations_options_are_read_or_refused(client: Client, option: str, expected: tuple[int, str]) -> None:
    """Like those of everything else."""
    assert expected == error(client.get(f"/organization?{quote(option, safe='=$')}"))
    assert {"id"} == client.get("/organization?$select=id").body["value"][0].keys()


def test_a_search_of_what_no_type_has_is_refused(client: Client) -> None:
    """Like a filter."""
    assert REFUSED == error(client("GET", f"/applications?$search={quote(chr(34) + 'nope:a' + chr(34))}", headers=EVENTUAL))


@pytest.mark.parametrize(
    "url",
    [
        "/servicePrincipals?$expand=owners",
        "/applications?$skip=1",
        "/applications?$format=json",
        "/applications?$orderby=displayName,id",
        "/applications?$filter=owners/any(o:o/id eq 'a')",
        "/applications?$filter=tags/$count eq 1",
        "/applications?filter=displayName eq 'a'",
        "/applications?top=1",
        "/users?$select=city",
        "/users?$filter=city eq 'a'",
        "/groups?$filter=assignedLicenses/any()",
    ],
)
def test_what_only_azure_knows_is_not_implemented(client: Client, url: str) -> None:
    """501: neither silence nor a refusal that Azure would not give."""
    head, _, query = url.partition("?")
    assert UNKNOWN == error(client.get(f"{head}?{quote(query, safe='=$')}"))


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        ("/applications", {"displayName": "a", "nope": 1}, BAD),
        ("/applications", {"displayName": "a", "web": {"nope": 1}}, BAD),
        ("/applications", {"displayName": "a", "web": {"implicitGrantSettings": {"nope": 1}}}, BAD),
        ("/applications", {"displayName": "a", "appRoles": [{"nope": 1}]}, BAD),
        ("/applications", {"displayName": "a", "requiredResourceAccess": [{"resourceAccess": [{"nope": 1}]}]}, BAD),
        ("/applications", {"displayName": "a", "appRoles": ["b"]}, BAD),
        ("/applications", {"displayName": "a", "tags": [1]}, BAD),
        ("/applications", {"displayName": "a", "notes": 5}, BAD),
        ("/applications", {"displayName": "a", "isFallbackPublicClient": "yes"}, BAD),
        ("/applications", {"displayName": "a", "optionalClaims": "b"}, BAD),
        ("/applications", {"displayName": "a", "tokenEncryptionKeyId": "b"}, BAD),
        ("/applications", {"displayName": "a", "api": {"acceptMappedClaims": 1}}, BAD),
        ("/applications", {"displayName": "a", "api": {"requestedAccessTokenVersion": "2"}}, BAD),
        ("/applications", {"displayName": "a", "createdByAppId": "b"}, UNKNOWN),
        ("/applications/{id}/addPassword", {"passwordCredential": {"displayName": 5}}, BAD),
        ("/applications/{id}/addPassword", {"passwordCredential": []}, BAD),
        ("/applications/{id}/addPassword", {"passwordCredential": {"nope": 1}}, BAD),
        ("/applications/{id}/addPassword", {"displayName": "a"}, BAD),
        ("/applications/{id}/federatedIdentityCredentials", {"claimsMatchingExpression": {"value": "a"}}, UNKNOWN),
        ("/applications/{id}/federatedIdentityCredentials", {"nope": 1}, BAD),
    ],
)
def test_a_body_holds_what_its_type_has(client: Client, url: str, body: dict[str, Any], expected: tuple[int, str]) -> None:
    """At every depth, and each value is of its type."""
    made = client.post("/applications", {"displayName": "one"}).body["id"]
    assert expected == error(client.post(url.format(id=made), body))


def test_a_body_may_hold_annotations_and_every_part_of_what_is_known(client: Client) -> None:
    """The SDKs send ``@odata.type``."""
    web = {"@odata.type": "#microsoft.graph.webApplication", "implicitGrantSettings": {"enableIdTokenIssuance": True}}
    assert 201 == client.post("/applications", {"@odata.type": "#x", "displayName": "one", "web": web}).status


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_no_route_passes_over_an_option(client: Client, version: str) -> None:
    """Whatever the method: an option that nobody has is refused, one that the route does not read is not implemented."""
    silent = []
    for row in TABLE:
        path = f"/{version}{row.path.replace('{', '').replace('}', '')}"
        unread = {"$filter", "$select", "$top", "$expand", "$search", "$orderby", "$count", "$skip"} - row.options
        for option, expected in {"$nope": REFUSED, **dict.fromkeys(unread, UNKNOWN)}.items():
            if expected != error(client(row.method, f"https://graph.microsoft.com{path}?{option}=1", {})):
                silent.append(f"{row.method} {path}?{option}")
    assert [] == silent


@pytest.mark.parametrize("option", ["$filter=nope eq 1", "$select=nope", "$top=x", "$orderby=nope", "$expand=nope"])
@pytest.mark.parametrize("relation", ["appRoleAssignments", "appRoleAssignedTo"])
def test_lists_of_app_roles_read_their_options(client: Client, relation: str, option: str) -> None:
    """As other lists do."""
    path = f"/servicePrincipals/{client.object_id}/{relation}"
    assert client.get(f"{path}?{quote(option, safe='=$')}").status == (501 if "expand" in option else 400)


def test_lists_of_app_roles_are_filtered_selected_and_paged(client: Client) -> None:
    """By GUIDs, quoted or not, and each property by its name."""
    path = f"/servicePrincipals/{client.object_id}/appRoleAssignments"
    graph = client.get(f"/servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id,appRoles").body
    roles = [role["id"] for role in graph["appRoles"][:2]]
    for role in roles:
        assignment = {"principalId": client.object_id, "resourceId": graph["id"], "appRoleId": role}
        assert 201 == client.post(path, assignment).status
    for literal in (roles[0], f"'{roles[0]}'"):
        found = client.get(f"{path}?$select=appRoleId&$filter={quote(f'appRoleId eq {literal}')}").body["value"]
        assert [{"appRoleId": roles[0]}] == found
    first = client.get(f"{path}?$top=1").body
    second = client.get(first["@odata.nextLink"]).body
    assert 2 == len({item["id"] for item in (*first["value"], *second["value"])})


@pytest.mark.parametrize("path", ["/directoryObjects/{id}", "/directory/deletedItems/{id}"])
def test_an_object_of_any_type_is_selected_from(client: Client, path: str) -> None:
    """By properties that some type has."""
    made = client.post("/applications", {"displayName": "one"}).body["id"]
    if "deleted" in path:
        client("DELETE", f"/applications/{made}")
    url = path.format(id=made)
    assert REFUSED == error(client.get(f"{url}?$select=nope"))
    assert {"@odata.context", "@odata.type", "id"} == client.get(f"{url}?$select=id").body.keys()


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/directoryObjects/getByIds", {"ids": ["{id}"], "types": ["application"]}),
        ("/servicePrincipals/{principal}/getMemberGroups", {"securityEnabledOnly": False}),
        ("/servicePrincipals/{principal}/checkMemberGroups", {"groupIds": ["{id}"]}),
        ("/applications/{id}/owners/$ref", {"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/{principal}"}),
        ("/groups/{group}/members/$ref", {"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/{principal}"}),
        ("/applications/{id}/addPassword", {"passwordCredential": {}}),
        ("/$batch", {"requests": []}),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/applications"}]}),
    ],
)
def test_an_action_takes_its_own_parameters_alone(client: Client, url: str, body: dict[str, Any]) -> None:
    """And what they may hold: the same call without the stray one is carried out."""
    made = client.post("/applications", {"displayName": "one"}).body["id"]
    group = {"displayName": "g", "mailNickname": "g", "mailEnabled": False, "securityEnabled": True}
    names = {"id": made, "principal": client.object_id, "group": client.post("/groups", group).body["id"]}
    url, sent = url.format(**names), _filled(body, names)
    assert BAD == error(client.post(url, {**sent, "nope": 1}))
    assert client.post(url, sent).status in (200, 204)


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        ("/directoryObjects/getByIds", {"ids": ["x"]}, BAD),
        ("/directoryObjects/getByIds", {"ids": [], "types": ["nope"]}, BAD),
        ("/directoryObjects/getByIds", {"ids": [], "types": "user"}, BAD),
        ("/servicePrincipals/{principal}/checkMemberGroups", {"groupIds": ["x"]}, BAD),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/applications", "nope": 1}]}, BAD),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/applications", "dependsOn": 5}]}, REFUSED),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/applications", "headers": ["a"]}]}, REFUSED),
        ("/users", {"displayName": "a", "passwordProfile": {"nope": 1}}, BAD),
        ("/oauth2PermissionGrants", {"nope@odata.bind": []}, BAD),
        ("/servicePrincipals/{principal}/appRoleAssignments", {"principalId": "x"}, BAD),
        ("/servicePrincipals/{principal}/appRoleAssignments", {"nope": "x"}, BAD),
        ("/servicePrincipals/{principal}/appRoleAssignments", {"principalDisplayName": "x"}, UNKNOWN),
        ("/applications", {"displayName": "a", "owners@odata.bind": []}, UNKNOWN),
        ("/applications", {"displayName": "a", "nope@odata.bind": []}, BAD),
        ("/applications", {"displayName": "a", "tags@odata.bind": []}, REFUSED),
        ("/applications", {"displayName": "a", "web": {"nope@odata.type": "a"}}, BAD),
        ("/servicePrincipals", {"appId": "{app}", "owners@odata.bind": []}, UNKNOWN),
        ("/groups", {"displayName": "a", "nope@odata.bind": []}, BAD),
        ("/applications", {"displayName": "a", "api": {"requestedAccessTokenVersion": 7}}, BAD),
        ("/applications", {"displayName": "a", "api": {"knownClientApplications": ["x"]}}, BAD),
        ("/applications", {"displayName": "a", "api": {"preAuthorizedApplications": [{"appId": "x"}]}}, BAD),
        ("/applications", {"displayName": "a", "addIns": [{"id": "x"}]}, BAD),
        ("/applications", {"displayName": "a", "appRoles": [{"id": "x"}]}, BAD),
        ("/applications", {"displayName": "a", "requiredResourceAccess": [{"resourceAppId": "x"}]}, BAD),
        ("/applications", {"displayName": "a", "requiredResourceAccess": [{"resourceAccess": [{"id": "x"}]}]}, BAD),
    ],
)
def test_what_cannot_be_is_refused(client: Client, url: str, body: dict[str, Any], expected: tuple[int, str]) -> None:
    """Ids that are none, types and versions that there are not, relations that nobody has or that are not read."""
    app = client.post("/applications", {"displayName": "one"}).body["appId"]
    names = {"principal": client.object_id, "app": app}
    assert expected == error(client.post(url.format(**names), _filled(body, names)))


def test_a_search_by_ids_may_be_for_everything(client: Client) -> None:
    """By the common name of all types; a type of which there is nothing finds nothing."""
    made = client.post("/applications", {"displayName": "one"}).body["id"]
    counts = [
        len(client.post("/directoryObjects/getByIds", {"ids": [made], "types": kinds}).body["value"])
        for kinds in ([], ["directoryObject"], ["Application"], ["device"])
    ]
    assert [1, 1, 1, 0] == counts
