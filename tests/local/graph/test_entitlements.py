"""App roles and delegated scopes: what Entra ID refuses of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.graph.calls import ABSENT, Client, Tenant, error

A, B = "11111111-2222-3333-4444-55555555555a", "11111111-2222-3333-4444-55555555555b"
DUPLICATE = (400, "DuplicateValue")
ENABLED = (400, "CannotDeleteOrUpdateEnabledEntitlement")
AUTHORIZED = "api.preAuthorizedApplications.delegatedPermissionIds"


@pytest.fixture
def client() -> Client:
    """An application that may change every other."""
    return Tenant().client("Application.ReadWrite.All")


def _role(name: str, value: str | None, **others: Any) -> dict[str, Any]:
    role = {"id": name, "value": value, "displayName": "r", "description": "r", "isEnabled": True}
    return role | {"allowedMemberTypes": ["User"]} | others


def _scope(name: str, value: str, **others: Any) -> dict[str, Any]:
    texts = {"adminConsentDisplayName": "s", "adminConsentDescription": "s"}
    return {"id": name, "value": value, "type": "Admin", "isEnabled": True} | texts | others


def _api(*scopes: dict[str, Any], authorized: list[str] | None = None) -> dict[str, Any]:
    clients = [] if authorized is None else [{"appId": ABSENT, "delegatedPermissionIds": authorized}]
    return {"api": {"oauth2PermissionScopes": list(scopes), "preAuthorizedApplications": clients}}


def _made(client: Client, body: dict[str, Any]) -> str:
    made = client.post("/applications", {"displayName": "one", **body})
    assert 201 == made.status, made.body
    return f"/applications/{made.body['id']}"


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"appRoles": [_role(A, "r"), _role(B, "r")]}, "appRoles"),
        ({"appRoles": [_role(A, "r"), _role(A.upper(), "s")]}, "appRoles"),
        (_api(_scope(A, "r"), _scope(B, "r")), "api.oauth2PermissionScopes"),
        (_api(_scope(A, "r"), _scope(A, "s")), "api.oauth2PermissionScopes"),
        ({"appRoles": [_role(A, "r")], **_api(_scope(B, "r"))}, "appRoles"),
    ],
)
def test_an_id_or_a_value_twice_is_refused(client: Client, body: dict[str, Any], target: str) -> None:
    """When the application is made, and when it is changed; nothing is written."""
    path = _made(client, {})
    before = client.get(path).body

    for reply in (client.post("/applications", {"displayName": "two", **body}), client.patch(path, body)):
        assert DUPLICATE == error(reply)
        found = reply.body["error"]
        assert "Request contains a property with duplicate values." == found["message"]
        assert [{"code": "DuplicateValue", "message": found["message"], "target": target}] == found["details"]
    assert before == client.get(path).body


def test_a_value_that_the_other_list_has_already_is_refused(client: Client) -> None:
    """Even if the change names one list alone."""
    path = _made(client, {"appRoles": [_role(A, "r")]})

    assert DUPLICATE == error(client.patch(path, _api(_scope(B, "r"))))


def test_what_is_no_duplicate_is_accepted(client: Client) -> None:
    """App roles without a value; a role and a scope that are one, by id and value."""
    _made(client, {"appRoles": [_role(A, None), _role(B, None)]})
    _made(client, {"appRoles": [_role(A, "r")], **_api(_scope(A, "r"))})


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ({"appRoles": [_role(A, "r"), _role(B, "s")]}, {"appRoles": [_role(A, "r")]}),
        (_api(_scope(A, "r"), _scope(B, "s")), {"api": {"oauth2PermissionScopes": [_scope(A, "r")]}}),
    ],
)
def test_what_is_enabled_is_not_removed(client: Client, body: dict[str, Any], rest: dict[str, Any]) -> None:
    """A first change disables it, a second one may leave it out."""
    path = _made(client, body)
    second = _role(B, "s", isEnabled=False) if "appRoles" in body else _scope(B, "s", isEnabled=False)
    disabled = (
        {"appRoles": [*rest["appRoles"], second]}
        if "appRoles" in body
        else {"api": {"oauth2PermissionScopes": [*rest["api"]["oauth2PermissionScopes"], second]}}
    )

    assert ENABLED == error(client.patch(path, rest))
    assert [204, 204] == [client.patch(path, each).status for each in (disabled, rest)]


def test_what_is_enabled_may_be_changed(client: Client) -> None:
    """Its value and its texts, under its id."""
    path = _made(client, {"appRoles": [_role(A, "r")]})

    assert 204 == client.patch(path, {"appRoles": [_role(A.upper(), "other", description="other")]}).status


@pytest.mark.parametrize("scopes", [[], [_scope(A, "r"), _scope(B, "s")]])
def test_a_client_is_authorized_only_for_a_scope_that_is_there(client: Client, scopes: list[dict[str, Any]]) -> None:
    """One that the same change makes is not there yet; afterwards it is."""
    path = _made(client, _api(_scope(A, "r")))
    given = scopes or [_scope(A, "r")]

    refused = client.patch(path, _api(*given, authorized=[B]))

    assert (400, "InvalidValue") == error(refused)
    assert AUTHORIZED in refused.body["error"]["message"]
    assert AUTHORIZED == refused.body["error"]["details"][0]["target"]
    bodies = [_api(_scope(A, "r"), _scope(B, "s")), _api(_scope(A, "r"), _scope(B, "s"), authorized=[A, B.upper()])]
    assert [204, 204] == [client.patch(path, body).status for body in bodies]


def test_a_new_application_may_authorize_a_client_for_its_own_scope_alone(client: Client) -> None:
    """The scope comes with it."""
    _made(client, _api(_scope(A, "r"), authorized=[A]))

    assert (400, "InvalidValue") == error(client.post("/applications", {"displayName": "b", **_api(authorized=[A])}))
