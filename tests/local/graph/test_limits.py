"""Quotas, crowding and throttling in the local Microsoft Graph, and the headers of its replies."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.engine.errors import InputError
from tests.local.graph.calls import ABSENT, Client, Tenant, error

OWNED = "Application.ReadWrite.OwnedBy"
NEW = {"displayName": "one"}


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage what it owns."""
    return tenant.client(OWNED)


def _held(tenant: Tenant) -> int:
    directory = tenant.world.directory
    return len(directory.applications) + len(directory.service_principals)


def test_full_tenant_takes_nothing_more(tenant: Tenant, client: Client) -> None:
    """Soft-deleted objects count in full; only purging makes room."""
    tenant.graph.limits.configure({"directory_objects": _held(tenant) + 1})
    made = client.post("/applications", NEW).body["id"]
    full = client.post("/applications", NEW)
    client.delete(f"/applications/{made}")
    still = client.post("/applications", NEW)
    client.delete(f"/directory/deletedItems/{made}")
    assert [(403, "Directory_QuotaExceeded")] * 2 == [error(full), error(still)]
    assert 201 == client.post("/applications", NEW).status


def test_creator_may_own_so_many(tenant: Tenant, client: Client) -> None:
    """The quota of one creator is no other's."""
    tenant.graph.limits.configure({"objects_per_creator": 2})
    assert [201, 201, 403] == [client.post("/applications", NEW).status for _ in "abc"]
    assert 201 == tenant.client(OWNED).post("/applications", NEW).status


def test_changes_that_meet_are_refused(tenant: Tenant, client: Client) -> None:
    """409 for the second change of one application within the time that one takes; another application is not concerned."""
    one, two = (tenant.application(owners=(client.object_id,)).id for _ in "ab")
    tenant.world.consistency.configure("typical")
    first = client.post(f"/applications/{one}/addPassword")
    found = client.post(f"/applications/{one}/addPassword")
    beside = client.post(f"/applications/{two}/addPassword")
    tenant.clock.at += 0.06
    after = client.post(f"/applications/{one}/addPassword")
    assert ([200, 200, 200], (409, "Directory_ConcurrencyViolation")) == (
        [first.status, beside.status, after.status],
        error(found),
    )


def test_changes_do_not_meet_without_a_profile(tenant: Tenant, client: Client) -> None:
    """Under ``none`` every call is over before the next."""
    app = tenant.application(owners=(client.object_id,)).id
    assert [200] * 5 == [client.post(f"/applications/{app}/addPassword").status for _ in range(5)]


def test_writes_are_throttled(tenant: Tenant, client: Client) -> None:
    """429 says when to come back; then there is room again. Reads go on, and so do others."""
    tenant.graph.limits.configure({"throttling": True, "writes": 2, "writes_seconds": 100})
    replies = [client.post("/applications", NEW) for _ in "abc"]
    assert ([201, 201], (429, "TooManyRequests")) == ([reply.status for reply in replies[:2]], error(replies[2]))
    headers = replies[2].headers
    assert ("50", "WriteLimitExceeded") == (headers["Retry-After"], headers["x-ms-throttle-information"])
    assert [200, 201] == [client.get("/applications").status, tenant.client(OWNED).post("/applications", NEW).status]
    tenant.clock.at += 50
    assert 201 == client.post("/applications", NEW).status


def test_resource_units_are_throttled(tenant: Tenant, client: Client) -> None:
    """Each request weighs what it costs; near the limit, replies say so."""
    tenant.graph.limits.configure({"throttling": True, "units": 7, "units_seconds": 10})
    replies = [client.get("/applications") for _ in "abcd"]
    assert [200, 200, 200, 429] == [reply.status for reply in replies]
    assert [None, None, "0.86", None] == [reply.headers.get("x-ms-throttle-limit-percentage") for reply in replies]


@pytest.mark.parametrize("settings", [{"colour": 1}, {"writes": None}, {"writes": 0}, {"throttling": 1}, {"busy_seconds": "1"}])
def test_limit_that_cannot_be_is_refused(tenant: Tenant, settings: dict[str, Any]) -> None:
    """Nothing is set then."""
    before = tenant.graph.limits.as_json()
    with pytest.raises(InputError):
        tenant.graph.limits.configure({"units": 9} | settings)
    assert before == tenant.graph.limits.as_json()


@pytest.mark.parametrize(
    ("url", "cost"),
    [
        ("/applications", "2"),
        ("/applications?$select=id", "1"),
        ("/applications?$top=5", "1"),
        ("/applications?$top=5&$select=id", "1"),
        (f"/applications/{ABSENT}", "1"),
        (f"/groups/{ABSENT}/members", "3"),
        (f"/groups/{ABSENT}/transitiveMembers", "5"),
        (f"/servicePrincipals/{ABSENT}/memberOf", "2"),
        (f"/servicePrincipals(appId='{ABSENT}')/appRoleAssignments", "2"),
        ("/servicePrincipals", "1"),
    ],
)
def test_cost_is_as_published(tenant: Tenant, url: str, cost: str) -> None:
    """``x-ms-resource-unit`` on every reply, refusals included."""
    assert cost == tenant.client("Directory.Read.All").get(url).headers["x-ms-resource-unit"]


def test_client_request_id_comes_back(client: Client) -> None:
    """In the headers and in an error; the service's own id is in both, too."""
    reply = client.get(f"/applications/{ABSENT}", **{"client-request-id": "mine"})
    inner = reply.body["error"]["innerError"]
    assert ("mine", "mine") == (reply.headers["client-request-id"], inner["client-request-id"])
    assert (reply.headers["request-id"], "2027-01-15T08:00:00") == (inner["request-id"], inner["date"])
    assert "Fri, 15 Jan 2027 08:00:00 GMT" == reply.headers["Date"]


@pytest.mark.parametrize("url", ["/policies", "/applications/delta", "/me/messages"])
def test_what_there_is_not_is_not_implemented(client: Client, url: str) -> None:
    """501 in Graph's shape."""
    assert (501, "NotImplemented") == error(client.get(url))


def test_beta_answers_like_v1(tenant: Tenant, client: Client) -> None:
    """With a context of its own."""
    app = tenant.application().id
    body = client("GET", f"/applications/{app}", version="beta").body
    assert "https://graph.microsoft.com/beta/$metadata#applications/$entity" == body["@odata.context"]
