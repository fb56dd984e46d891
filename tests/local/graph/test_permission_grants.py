"""Delegated permission grants of the local Graph."""

from __future__ import annotations

import pytest

from tests.local.graph.calls import ABSENT, Client, Tenant, error

URL = "/oauth2PermissionGrants"


@pytest.fixture
def tenant() -> Tenant:
    """An empty one."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """Somebody who may grant."""
    return tenant.client("DelegatedPermissionGrant.ReadWrite.All", "Application.ReadWrite.All")


def wanted(tenant: Tenant, **changes: object) -> dict[str, object]:
    """A grant that can be made."""
    sent = {"clientId": tenant.principal("client").id, "resourceId": tenant.principal("api").id, "scope": "access"}
    return sent | {"consentType": "AllPrincipals", "principalId": None} | changes


def test_is_made_found_changed_and_deleted(tenant: Tenant, client: Client) -> None:
    """Its life."""
    sent = wanted(tenant)
    made = client.post(URL, sent)
    one = f"{URL}/{made.body['id']}"
    assert (201, sent["clientId"]) == (made.status, made.body["clientId"])
    assert [made.body["id"]] == [
        item["id"] for item in client.get(f"{URL}?$filter=clientId eq '{sent['clientId']}'").body["value"]
    ]
    assert [] == client.get(f"{URL}?$filter=clientId eq '{sent['resourceId']}'").body["value"]
    assert 204 == client.patch(one, {"scope": "access more"}).status
    assert "access more" == client.get(one).body["scope"]
    assert 204 == client.delete(one).status
    assert (404, "Request_ResourceNotFound") == error(client.get(one))


def test_there_is_one_for_each_client_api_and_person(tenant: Tenant, client: Client) -> None:
    """A second one is refused; one for a person is another."""
    sent = wanted(tenant)
    assert 201 == client.post(URL, sent).status
    assert (409, "Request_MultipleObjectsWithSameKeyValue") == error(client.post(URL, sent | {"scope": "other"}))
    assert 201 == client.post(URL, sent | {"consentType": "Principal", "principalId": tenant.user().id}).status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"consentType": "Everybody"}, 400),
        ({"consentType": "Principal"}, 400),
        ({"principalId": ABSENT}, 400),
        ({"consentType": "Principal", "principalId": ABSENT}, 404),
        ({"clientId": ABSENT}, 404),
        ({"resourceId": ABSENT}, 404),
        ({"scope": None}, 400),
        ({"scope": "x" * 3851}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_refuses_what_cannot_be_granted(tenant: Tenant, client: Client, changes: dict[str, object], status: int) -> None:
    """Nothing is made."""
    assert status == client.post(URL, wanted(tenant) | changes).status
    assert [] == client.get(URL).body["value"]


@pytest.mark.parametrize("permission", ["DelegatedPermissionGrant.Read.All", "Directory.Read.All", "Application.ReadWrite.All"])
def test_only_those_who_may_grant_do(tenant: Tenant, permission: str) -> None:
    """Reading is not enough, and neither is changing applications."""
    assert (403, "Authorization_RequestDenied") == error(tenant.client(permission).post(URL, wanted(tenant)))


@pytest.mark.parametrize("named", ["clientId", "resourceId"])
def test_goes_with_an_object_that_is_gone_for_good(tenant: Tenant, client: Client, named: str) -> None:
    """In the recycle bin the object still has it; a purged one has not."""
    sent = wanted(tenant)
    client.post(URL, sent)
    client.delete(f"/servicePrincipals/{sent[named]}")
    assert 1 == len(client.get(URL).body["value"])
    client.delete(f"/directory/deletedItems/{sent[named]}")
    assert [] == client.get(URL).body["value"]
