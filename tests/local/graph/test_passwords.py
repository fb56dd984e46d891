"""Secrets of applications and service principals in the local Microsoft Graph."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.graph.calls import ABSENT, Client, Tenant, error

PAST = "2001-01-01T00:00:00Z"


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage every other."""
    return tenant.client("Application.ReadWrite.All")


def _add(client: Client, object_id: str, **wanted: Any) -> dict[str, Any]:
    body: dict[str, Any] = client.post(f"/applications/{object_id}/addPassword", {"passwordCredential": wanted}).body
    return body


def test_text_is_told_once(tenant: Tenant, client: Client) -> None:
    """The reply to addPassword has it; a read shows its beginning alone."""
    app = tenant.application()
    made = _add(client, app.id, displayName="key")
    (shown,) = client.get(f"/applications/{app.id}").body["passwordCredentials"]
    assert (40, None, made["secretText"][:3]) == (len(made["secretText"]), shown["secretText"], shown["hint"])
    assert made["secretText"] == app.passwords[made["keyId"]].secret


def test_lasts_two_years_unless_told_otherwise(tenant: Tenant, client: Client) -> None:
    """From the start, by the calendar."""
    app = tenant.application().id
    assert ("2027-01-15T08:00:00.25Z", "2029-01-15T08:00:00.25Z") == (
        (made := _add(client, app))["startDateTime"],
        made["endDateTime"],
    )
    assert "2030-02-28T00:00:00Z" == _add(client, app, startDateTime="2028-02-29T00:00:00Z")["endDateTime"]


def test_lasts_as_long_as_it_is_told(tenant: Tenant, client: Client) -> None:
    """Fractions of a second and offsets are understood."""
    made = _add(client, tenant.application().id, endDateTime="2027-02-01T01:00:00.1234567+01:00", keyId=ABSENT)
    assert ("2027-02-01T00:00:00.123456Z", ABSENT) == (made["endDateTime"], made["keyId"])


@pytest.mark.parametrize(
    "wanted",
    [
        {"endDateTime": PAST},
        {"endDateTime": "2027-01-15T07:59:59Z"},
        {"startDateTime": "2028-01-01T00:00:00Z", "endDateTime": "2027-06-01T00:00:00Z"},
        {"endDateTime": "tomorrow"},
    ],
)
def test_refuses_a_lifetime_that_cannot_be(tenant: Tenant, client: Client, wanted: dict[str, str]) -> None:
    """An end before the start or the present, or no instant at all."""
    app = tenant.application()
    reply = client.post(f"/applications/{app.id}/addPassword", {"passwordCredential": wanted})
    assert ((400, "Request_BadRequest"), {}) == (error(reply), app.passwords)


def test_policy_bounds_the_lifetime(tenant: Tenant, client: Client) -> None:
    """With a policy in force, even the default is too long."""
    tenant.graph.limits.configure({"password_lifetime_seconds": 86_400})
    app = tenant.application().id
    refused = client.post(f"/applications/{app}/addPassword")
    assert (400, "CredentialInvalidLifetimeAsPerAppPolicy") == error(refused)
    assert "keyId" in _add(client, app, endDateTime="2027-01-16T07:00:00Z")


def test_policy_forbids_secrets(tenant: Tenant, client: Client) -> None:
    """Whatever their lifetime; those that are there stay, and can be removed."""
    app = tenant.application()
    key = _add(client, app.id)["keyId"]
    tenant.graph.limits.configure({"passwords": "blocked", "password_lifetime_seconds": 60})
    refused = client.post(f"/applications/{app.id}/addPassword", {"passwordCredential": {"displayName": "one"}})
    assert ((400, "CredentialTypeNotAllowedAsPerAppPolicy"), [key]) == (error(refused), list(app.passwords))
    assert 204 == client.post(f"/applications/{app.id}/removePassword", {"keyId": key}).status
    tenant.graph.limits.configure({"passwords": None, "password_lifetime_seconds": None})
    assert "keyId" in _add(client, app.id)


def test_removal_is_for_good(tenant: Tenant, client: Client) -> None:
    """204 once, and an error from then on."""
    app = tenant.application()
    key = {"keyId": _add(client, app.id)["keyId"]}
    first, second = (client.post(f"/applications/{app.id}/removePassword", key) for _ in "ab")
    assert (204, (400, "Request_BadRequest"), {}) == (first.status, error(second), app.passwords)
    assert second.body["error"]["message"].startswith(f"No password credential found with keyId {key['keyId']}")


def test_change_keeps_the_secrets_it_names(tenant: Tenant, client: Client) -> None:
    """A PATCH may drop secrets, not bring them."""
    app = tenant.application()
    first, second = _add(client, app.id)["keyId"], _add(client, app.id)["keyId"]
    client.patch(f"/applications/{app.id}", {"passwordCredentials": [{"keyId": second}]})
    assert ([second], first != second) == (list(app.passwords), True)


def test_service_principal_has_secrets_of_its_own(tenant: Tenant, client: Client) -> None:
    """They are not its application's."""
    principal = tenant.principal()
    made = client.post(f"/servicePrincipals/{principal.id}/addPassword").body
    app = tenant.world.directory.application_of(principal.app_id)
    assert app is not None
    assert ([made["keyId"]], {}) == (list(principal.passwords), app.passwords)


def test_object_holds_so_many_secrets(tenant: Tenant, client: Client) -> None:
    """Beyond the limit the object has become too large."""
    tenant.graph.limits.configure({"credentials_per_object": 2})
    app = tenant.application()
    replies = [client.post(f"/applications/{app.id}/addPassword") for _ in "abc"]
    assert ([200, 200], (400, "Directory_ResourceSizeExceeded")) == (
        [reply.status for reply in replies[:2]],
        error(replies[2]),
    )
