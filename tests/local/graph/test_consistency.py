"""Eventual consistency as the local Microsoft Graph shows it: what was written is not at once there for every reader."""

from __future__ import annotations

import pytest

from local.cloud.disturbances.consistency import Delay, Profile
from tests.local.graph.calls import Client, Tenant, error, ids

KINDS = ("application", "principal", "group", "secret", "certificate", "federated", "member")
SLOW = Profile("slow", {(kind, "graph"): Delay(10, 10.001, 10) for kind in KINDS}, {})
"""Every write reaches Graph's other replicas after ten seconds."""
TRUST = {"name": "main", "issuer": "https://issuer.example", "subject": "job", "audiences": ["api://AzureADTokenExchange"]}


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant whose replicas lag."""
    made = Tenant()
    made.world.consistency.profile = SLOW
    made.graph.limits.configure({"busy_seconds": None})
    return made


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage every other, and groups."""
    return tenant.client("Application.ReadWrite.All", "Group.ReadWrite.All")


def test_fresh_application_is_not_found_until_it_is_seen(tenant: Tenant, client: Client) -> None:
    """Neither read, nor listed, nor changed by id."""
    made = client.post("/applications", {"displayName": "one"}).body["id"]
    early = [
        client.get(f"/applications/{made}"),
        client.post(f"/applications/{made}/addPassword"),
        client.delete(f"/applications/{made}"),
    ]
    assert [404] * 3 == [reply.status for reply in early]
    assert made not in ids(client.get("/applications"))
    tenant.clock.at += 11
    assert [200, True] == [client.get(f"/applications/{made}").status, made in ids(client.get("/applications"))]


def test_upsert_does_not_depend_on_what_was_seen(client: Client) -> None:
    """A repeat never makes a second application."""
    replies = [
        client.patch("/applications(uniqueName='one')", {"displayName": "one"}, prefer="create-if-missing") for _ in "ab"
    ]
    assert [201, 204] == [reply.status for reply in replies]


def test_service_principal_of_an_unseen_application_is_refused(tenant: Tenant, client: Client) -> None:
    """400 as if there were no application, until it is seen."""
    app = client.post("/applications", {"displayName": "one"}).body["appId"]
    early = client.post("/servicePrincipals", {"appId": app})
    assert (400, "NoBackingApplicationObject") == (early.status, early.body["error"]["details"][0]["code"])
    tenant.clock.at += 11
    assert 201 == client.post("/servicePrincipals", {"appId": app}).status


def test_confined_creator_may_be_told_that_the_application_is_foreign(tenant: Tenant) -> None:
    """Now 400, now 403, for one and the same lag."""
    broker = tenant.client("Application.ReadWrite.OwnedBy")
    app = broker.post("/applications", {"displayName": "one"}).body["appId"]
    assert {400, 403} == {broker.post("/servicePrincipals", {"appId": app}).status for _ in range(30)}


def test_fresh_service_principal_cannot_be_a_member_until_it_is_seen(tenant: Tenant, client: Client) -> None:
    """404 for the reference."""
    group = tenant.group().id
    principal = client.post("/servicePrincipals", {"appId": tenant.application().app_id}).body["id"]
    body = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{principal}"}
    early = client.post(f"/groups/{group}/members/$ref", body).status
    tenant.clock.at += 11
    assert [404, 204] == [early, client.post(f"/groups/{group}/members/$ref", body).status]


def test_fresh_group_takes_no_member_until_it_is_seen(tenant: Tenant, client: Client) -> None:
    """400, as documented for groups that were just made."""
    new = {"displayName": "team", "mailNickname": "team", "mailEnabled": False, "securityEnabled": True}
    group = client.post("/groups", new).body["id"]
    body = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{tenant.user().id}"}
    assert (400, "Request_BadRequest") == error(client.post(f"/groups/{group}/members/$ref", body))


def test_fresh_membership_is_listed_when_it_is_seen(tenant: Tenant, client: Client) -> None:
    """The addition succeeds at once, the lists follow."""
    group, user = tenant.group().id, tenant.user().id
    client.post(f"/groups/{group}/members/$ref", {"@odata.id": f"https://graph.microsoft.com/v1.0/users/{user}"})
    early = ids(client.get(f"/groups/{group}/members"))
    tenant.clock.at += 11
    assert ([], [user]) == (early, ids(client.get(f"/groups/{group}/members")))


def test_fresh_secret_can_neither_be_listed_nor_removed_until_it_is_seen(tenant: Tenant, client: Client) -> None:
    """The removal is refused as if there were no such secret."""
    app = tenant.application()
    key = {"keyId": client.post(f"/applications/{app.id}/addPassword").body["keyId"]}
    listed = client.get(f"/applications/{app.id}").body["passwordCredentials"]
    early = client.post(f"/applications/{app.id}/removePassword", key)
    tenant.clock.at += 11
    late = client.post(f"/applications/{app.id}/removePassword", key)
    assert ([], (400, "Request_BadRequest"), 204) == (listed, error(early), late.status)


def test_fresh_federated_credential_is_listed_when_it_is_seen(tenant: Tenant, client: Client) -> None:
    """The creation succeeds at once, the list follows."""
    url = f"/applications/{tenant.application().id}/federatedIdentityCredentials"
    made = client.post(url, TRUST).body["id"]
    early = ids(client.get(url))
    tenant.clock.at += 11
    assert ([], [made]) == (early, ids(client.get(url)))
