"""What Graph refuses is refused here; what it may take and the local Graph does not know is 501."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.local.graph_calls import Client, Tenant, error

EVENTUAL = {"ConsistencyLevel": "eventual"}
REFUSED, UNKNOWN = (400, "BadRequest"), (501, "NotImplemented")


@pytest.fixture
def client() -> Client:
    """An application that may do everything here."""
    return Tenant().client("Directory.ReadWrite.All", "Application.ReadWrite.All", "User.ReadWrite.All")


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


def test_a_search_of_what_no_type_has_is_refused(client: Client) -> None:
    """Like a filter."""
    assert REFUSED == error(client("GET", f"/applications?$search={quote(chr(34) + 'nope:a' + chr(34))}", headers=EVENTUAL))


@pytest.mark.parametrize(
    "url",
    [
        "/applications?$expand=owners",
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
        ("/applications", {"displayName": "a", "nope": 1}, (400, "Request_BadRequest")),
        ("/applications", {"displayName": "a", "web": {"nope": 1}}, (400, "Request_BadRequest")),
        ("/applications", {"displayName": "a", "web": {"implicitGrantSettings": {"nope": 1}}}, (400, "Request_BadRequest")),
        ("/applications", {"displayName": "a", "createdByAppId": "b"}, UNKNOWN),
        ("/applications/{id}/addPassword", {"passwordCredential": {"nope": 1}}, (400, "Request_BadRequest")),
        ("/applications/{id}/addPassword", {"displayName": "a"}, (400, "Request_BadRequest")),
        ("/applications/{id}/federatedIdentityCredentials", {"claimsMatchingExpression": {"value": "a"}}, UNKNOWN),
        ("/applications/{id}/federatedIdentityCredentials", {"nope": 1}, (400, "Request_BadRequest")),
    ],
)
def test_a_body_holds_what_its_type_has(client: Client, url: str, body: dict[str, Any], expected: tuple[int, str]) -> None:
    """At every depth."""
    made = client.post("/applications", {"displayName": "one"}).body["id"]
    assert expected == error(client.post(url.format(id=made), body))


def test_a_body_may_hold_annotations_and_every_part_of_what_is_known(client: Client) -> None:
    """The SDKs send ``@odata.type``."""
    web = {"@odata.type": "#microsoft.graph.webApplication", "implicitGrantSettings": {"enableIdTokenIssuance": True}}
    assert 201 == client.post("/applications", {"@odata.type": "#x", "displayName": "one", "web": web}).status
