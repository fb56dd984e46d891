"""OData's options in the local Microsoft Graph."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.local.graph.calls import ORIGIN, Client, Tenant, error, ids

EVENTUAL = {"ConsistencyLevel": "eventual"}


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that reads the directory."""
    return tenant.client("Directory.Read.All")


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("displayName eq 'lease-one'", ["lease-one"]),
        ("displayName eq 'LEASE-ONE'", ["lease-one"]),
        ("displayName eq 'it''s'", ["it's"]),
        ("startswith(displayName,'lease-')", ["lease-one", "lease-two"]),
        ("startsWith(displayName, 'lease-') and notes eq 'b'", ["lease-two"]),
        ("notes eq 'a' or (notes eq 'b' and displayName eq 'none')", ["lease-one"]),
        ("displayName in ('lease-two', 'it''s')", ["it's", "lease-two"]),
        ("tags/any(t:t eq 'blue')", ["lease-two"]),
        ("tags/any(t: startswith(t, 'b'))", ["lease-two"]),
        ("tags/any()", ["lease-one", "lease-two"]),
        ("appRoles/any(r:r/value eq 'Reader')", ["lease-one"]),
        ("notes eq null and displayName ge 'i'", ["it's"]),
        ("web/homePageUrl eq 'https://home'", ["it's"]),
        ("isFallbackPublicClient eq true", ["it's"]),
    ],
)
def test_filter_finds(tenant: Tenant, client: Client, expression: str, found: list[str]) -> None:
    """Comparisons without case, ``in``, text functions, ``any``, precedence and parentheses."""
    one, two, other = (tenant.application(name) for name in ("lease-one", "lease-two", "it's"))
    one.properties |= {"notes": "a", "tags": ["red"], "appRoles": [{"value": "Reader"}]}
    two.properties |= {"notes": "b", "tags": ["red", "blue"]}
    other.properties |= {"web": {"homePageUrl": "https://home"}, "isFallbackPublicClient": True}
    reply = client.get(f"/applications?$filter={quote(expression)}")
    assert found == sorted(app["displayName"] for app in reply.body["value"])


@pytest.mark.parametrize(
    "expression", ["displayName", "displayName eq", "(displayName eq 'a'", "displayName like 'a'", "a eq 'b' !"]
)
def test_filter_that_cannot_be_read_is_refused(client: Client, expression: str) -> None:
    """400."""
    assert (400, "BadRequest") == error(client.get(f"/applications?$filter={quote(expression)}"))


@pytest.mark.parametrize("expression", ["displayName ne 'a'", "not(displayName eq 'a')", "endsWith(displayName,'e')"])
def test_advanced_filter_needs_eventual_consistency_and_a_count(tenant: Tenant, client: Client, expression: str) -> None:
    """400 without both; with both, the count comes along."""
    tenant.application("one")
    url = f"/applications?$filter={quote(expression)}"
    assert (400, "Request_UnsupportedQuery") == error(client.get(url))
    reply = client.get(f"{url}&$count=true", **EVENTUAL)
    assert reply.body["@odata.count"] == len(reply.body["value"]) > 0


def test_pages_cover_everything_once(tenant: Tenant, client: Client) -> None:
    """Every link leads to the next page, at the address that was called, until there is none."""
    made = {tenant.application(f"app {number}").id for number in range(7)}
    url, seen = "/applications?$top=3&$filter=startswith(displayName,'app')", []
    while url:
        body = client.get(url).body
        seen += [item["id"] for item in body["value"]]
        url = body.get("@odata.nextLink", "")
        assert url == "" or url.startswith(f"{ORIGIN}/v1.0/applications?")
    assert (7, made) == (len(seen), set(seen))


def test_pages_skip_nothing_while_what_was_seen_is_deleted(tenant: Tenant, client: Client) -> None:
    """A sweep deletes as it lists."""
    made = {tenant.application(f"app {number}").id for number in range(6)}
    url, seen = "/applications?$top=2&$filter=startswith(displayName,'app')", set()
    while url:
        body = client.get(url).body
        seen |= {item["id"] for item in body["value"]}
        for item in body["value"]:
            tenant.world.directory.applications[item["id"]].deleted = tenant.clock.at
        url = body.get("@odata.nextLink", "")
    assert made == seen


def test_page_holds_a_hundred_by_default(tenant: Tenant, client: Client) -> None:
    """And at most 999."""
    for _ in range(101):
        tenant.application()
    assert 100 == len(client.get("/applications").body["value"])
    assert [400, 400] == [client.get(f"/applications?$top={top}").status for top in (0, 1000)]


def test_token_of_no_page_is_refused(client: Client) -> None:
    """400."""
    assert (400, "Directory_ExpiredPageToken") == error(client.get("/applications?$skiptoken=%C3%A9"))


def test_selection_shows_what_was_selected(tenant: Tenant, client: Client) -> None:
    """The context names it; what there is not is refused."""
    app = tenant.application()
    body = client.get(f"/applications/{app.id}?$select=id,appId").body
    assert {
        "@odata.context": f"{ORIGIN}/v1.0/$metadata#applications(id,appId)/$entity",
        "id": app.id,
        "appId": app.app_id,
    } == body
    assert (400, "BadRequest") == error(client.get(f"/applications/{app.id}?$select=colour"))


def test_order_is_as_asked(tenant: Tenant, client: Client) -> None:
    """By a property, either way."""
    for name in ("b", "a", "c"):
        tenant.group(name)
    assert ["c", "b", "a"] == [item["displayName"] for item in client.get("/groups?$orderby=displayName%20desc").body["value"]]


def test_search_finds_words(tenant: Tenant, client: Client) -> None:
    """Only with eventual consistency."""
    found = tenant.application("the lease of one")
    tenant.application("another")
    url = '/applications?$search="displayName:lease"'
    assert ((400, "Request_UnsupportedQuery"), [found.id]) == (error(client.get(url)), ids(client.get(url, **EVENTUAL)))


def test_count_alone_is_text(tenant: Tenant, client: Client) -> None:
    """Only with eventual consistency."""
    tenant.group()
    reply = client.get("/groups/$count", **EVENTUAL)
    assert (b"1", "text/plain") == (reply.body, reply.headers["Content-Type"])
    assert 400 == client.get("/groups/$count").status


def test_expansion_is_not_implemented(client: Client) -> None:
    """501 rather than an answer without it."""
    assert (501, "NotImplemented") == error(client.get("/applications?$expand=extensionProperties"))
    assert (501, "NotImplemented") == error(client.get("/servicePrincipals?$expand=owners"))


def test_applications_are_listed_with_their_owners(tenant: Tenant, client: Client) -> None:
    """By id alone, if that is what is asked for."""
    made = tenant.client("Application.ReadWrite.OwnedBy").post("/applications", {"displayName": "one"})
    among = quote(f"id in ('{made.body['id']}')", safe="=$")
    (listed,) = client.get(f"/applications?$filter={among}&$select=id&$expand=owners($select=id)").body["value"]
    assert {"id", "owners"} == {*listed}
    (owner,) = listed["owners"]
    assert {"@odata.type", "id"} == {*owner}


@pytest.mark.parametrize("path", ["//applications", "///applications", "/applications//", "//applications//?$top=5"])
def test_empty_segments_of_a_path_are_none(tenant: Tenant, client: Client, path: str) -> None:
    """msgraph-sdk for Python asks for ``/v1.0//applications``."""
    made = tenant.client("Application.ReadWrite.All").post("/applications", {"displayName": "one"})
    listed = client.get(path)
    assert made.body["id"] in {each["id"] for each in listed.body["value"]}


def test_empty_segments_are_none_within_a_batch(client: Client) -> None:
    """Nor in the batch's own address."""
    answer = client.post("//$batch", {"requests": [{"id": "1", "method": "GET", "url": "//applications//"}]})
    assert [200] == [each["status"] for each in answer.body["responses"]]
