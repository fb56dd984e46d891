"""Resources of any type: made, changed, deleted, with the identities that come with them."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.control import provision
from local.cloud.engine.http import Json
from local.cloud.tenant.resources import Lock
from tests.local.arm.calls import CONTRIBUTOR, GROUP, READER, ROOT, STORE, TENANT, Azure, outcome

SITE = f"{GROUP}/providers/Microsoft.Web/sites/web"
SLOT = f"{SITE}/slots/blue"
WORKER = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
OTHER = WORKER.replace("worker", "other")
BODY: Json = {"location": "westeurope"}
OWN: Json = {"type": "SystemAssigned"}
LOCK = Lock("keep", SITE, "CanNotDelete")


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _put(azure: Azure, path: str = SITE, **body: Any) -> Json:
    shown: Json = azure.call("PUT", path, BODY | body).body
    return shown


def _identity(azure: Azure) -> Json | None:
    shown: Json | None = azure.call("GET", SITE).body.get("identity")
    return shown


def _attach(*identities: str, kind: str = "UserAssigned") -> Json:
    return {"type": kind, "userAssignedIdentities": {each: {} for each in identities}}


def test_a_resource_lives(azure: Azure) -> None:
    """Made, replaced, changed, listed, deleted, and gone."""
    body = BODY | {"kind": "app", "tags": {"a": "1"}, "properties": {"httpsOnly": True, "siteConfig": {}}}
    made = azure.call("PUT", SITE, body)
    shown = {"id": SITE, "name": "web", "type": "Microsoft.Web/sites", **body}
    assert (201, shown) == (made.status, made.body)
    replaced = azure.call("PUT", SITE, BODY | {"properties": {"httpsOnly": False}})
    assert (200, {"httpsOnly": False}, False) == (replaced.status, replaced.body["properties"], "tags" in replaced.body)
    changed = azure.call("PATCH", SITE, {"tags": {"b": "2"}, "properties": {"enabled": True}, "sku": {"name": "S1"}})
    assert (200, {"b": "2"}, {"httpsOnly": False, "enabled": True}, {"name": "S1"}) == (
        changed.status,
        *(changed.body[name] for name in ("tags", "properties", "sku")),
    )
    assert changed.body == azure.call("GET", SITE).body
    assert changed.body in azure.call("GET", f"{GROUP}/resources").body["value"]
    assert [200, 204] == [azure.call("DELETE", SITE).status for _ in range(2)]
    assert (404, "ResourceNotFound") == outcome(azure.call("GET", SITE))


def test_a_resource_goes_with_what_is_below_it(azure: Azure) -> None:
    """A nested one is where its parent is."""
    _put(azure)
    assert "westeurope" == azure.call("PUT", SLOT, {}).body["location"]
    azure.grant(azure.principal(), READER, SLOT, name="there")
    azure.call("DELETE", SITE)
    assert (404, False) == (azure.call("GET", SLOT).status, "there" in azure.world.tree.role_assignments)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PUT", SITE, {}, (400, "LocationRequired")),
        ("PUT", SITE, {"location": "northeurope"}, (409, "InvalidResourceLocation")),
        ("PUT", SITE, {"location": "West Europe"}, (200, "")),
        ("PUT", SITE, BODY | {"tags": {"a": 1}}, (400, "InvalidRequestContent")),
        ("PUT", SITE, BODY | {"properties": None}, (200, "")),
        ("PUT", SITE, BODY | {"properties": []}, (400, "InvalidRequestContent")),
        ("PUT", SITE, BODY | {"zones": ["1"]}, (501, "NotImplemented")),
        ("PUT", f"{GROUP}/providers/Microsoft.Web/sites/none/slots/blue", BODY, (404, "ParentResourceNotFound")),
        ("PUT", SITE.replace("/app/", "/none/"), BODY, (404, "ResourceGroupNotFound")),
        ("PUT", SITE.replace(ROOT, "/subscriptions/none"), BODY, (403, "AuthorizationFailed")),
        ("DELETE", SITE.replace("/app/", "/none/"), None, (404, "ResourceGroupNotFound")),
        ("PATCH", f"{SITE}-2", {}, (404, "ResourceNotFound")),
        *(("PUT", path, BODY, (501, "NotImplemented")) for path in (STORE, f"{GROUP}/providers/Microsoft.KeyVault/vaults/one")),
        ("DELETE", f"{GROUP}/providers/Microsoft.KeyVault/vaults/one", None, (501, "NotImplemented")),
        ("PUT", f"{GROUP}/providers/Microsoft.EventGrid/topics/one", BODY, (501, "NotImplemented")),
        ("PUT", f"{GROUP}/providers/Microsoft.Web/sites", BODY, (501, "NotImplemented")),
        ("PUT", f"{SITE}/providers/Microsoft.Insights/diagnosticSettings/one", BODY, (501, "NotImplemented")),
    ],
)
def test_refuses_as_azure_does(azure: Azure, method: str, path: str, body: Json | None, expected: tuple[int, str]) -> None:
    """Beside a site that is there."""
    _put(azure)
    assert expected == outcome(azure.call(method, path, body))


@pytest.mark.parametrize(
    ("role", "scope", "expected"), [(CONTRIBUTOR, GROUP, 200), (CONTRIBUTOR, STORE, 403), (READER, GROUP, 403)]
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_takes_a_right(azure: Azure, method: str, role: str, scope: str, expected: int) -> None:
    """``<type>/write`` or ``<type>/delete``."""
    _put(azure)
    someone = azure.principal()
    azure.grant(someone, role, scope)
    assert expected == azure.call(method, SITE, BODY, by=someone).status


def test_locks_hold(azure: Azure) -> None:
    """One against deletion, one against any change."""
    _put(azure)
    azure.world.tree.locks["one"] = LOCK
    assert (409, "ScopeLocked") == outcome(azure.call("DELETE", SITE))
    azure.world.tree.locks["one"] = Lock("keep", GROUP, "ReadOnly")
    assert [(409, "ScopeLocked")] * 2 == [outcome(azure.call(method, SITE, BODY)) for method in ("PUT", "PATCH")]


def test_a_system_assigned_identity_comes_with_the_resource(azure: Azure) -> None:
    """A service principal named like it; the control API knows it by that name."""
    shown = _put(azure, identity=OWN)["identity"]
    principal = azure.world.directory.service_principals[shown["principalId"]]
    assert {"type": "SystemAssigned", "principalId": principal.id, "tenantId": TENANT} == shown == _identity(azure)
    assert ("web", SITE, True, "ManagedIdentity", None) == (
        principal.properties["displayName"],
        principal.resource_id,
        principal.system_assigned,
        principal.kind,
        principal.deleted,
    )
    known = azure.world.directory.identities["web"]
    assert (principal.id, principal.app_id, SITE, "system_assigned") == (
        known.object_id,
        known.client_id,
        known.resource_id,
        known.kind,
    )


def test_a_system_assigned_identity_stays_until_it_is_taken_away(azure: Azure) -> None:
    """A body that does not speak of it changes nothing; with the resource it goes too."""
    first = _put(azure, identity=OWN)["identity"]["principalId"]
    same = [_put(azure)["identity"]["principalId"], _put(azure, identity=OWN)["identity"]["principalId"]]
    azure.call("PATCH", SITE, {"tags": {}})
    assert [first] * 3 == [*same, (_identity(azure) or {})["principalId"]]
    azure.call("PATCH", SITE, {"identity": {"type": "None"}})
    principals = azure.world.directory.service_principals
    assert (None, True) == (_identity(azure), principals[first].deleted is not None)
    second = _put(azure, identity=OWN)["identity"]["principalId"]
    azure.call("DELETE", SITE)
    assert (True, True) == (first != second, principals[second].deleted is not None)


def test_a_resource_made_anew_has_another_identity(azure: Azure) -> None:
    """Under the same name, which now stands for the new one."""
    first = _put(azure, identity=OWN)["identity"]["principalId"]
    azure.call("DELETE", SITE)
    second = _put(azure, identity=OWN)["identity"]["principalId"]
    assert first != second == azure.world.directory.identities["web"].object_id


def test_a_name_that_lives_is_not_taken(azure: Azure) -> None:
    """The control API knows the second by its object id."""
    first = _put(azure, identity=OWN)["identity"]["principalId"]
    azure.resource(f"{ROOT}/resourceGroups/data", "Microsoft.Resources/resourceGroups")
    second = _put(azure, SITE.replace("/app/", "/data/"), identity=OWN)["identity"]["principalId"]
    found = azure.world.directory.identities
    assert (first, second) == (found["web"].object_id, found[second].object_id)


def test_user_assigned_identities_are_attached(azure: Azure) -> None:
    """Made as resources of their own, shown with their ids; PUT replaces them, PATCH adds and takes away."""
    for path in (WORKER, OTHER):
        _put(azure, path)
    worker, other = (azure.call("GET", path).body["properties"] for path in (WORKER, OTHER))
    assert {"tenantId", "principalId", "clientId"} == worker.keys()
    shown = {
        path: {name: held[name] for name in ("principalId", "clientId")} for path, held in ((WORKER, worker), (OTHER, other))
    }
    both = _put(azure, identity=_attach(WORKER, OTHER))["identity"]
    assert {"type": "UserAssigned", "userAssignedIdentities": shown} == both
    mixed = _put(azure, identity=_attach(WORKER, kind="SystemAssigned, UserAssigned"))["identity"]
    assert ("SystemAssigned, UserAssigned", [WORKER]) == (mixed["type"], list(mixed["userAssignedIdentities"]))
    listed = {"type": "UserAssigned", "userAssignedIdentities": {OTHER: {}, WORKER.upper(): None}}
    azure.call("PATCH", SITE, {"identity": listed})
    assert {"type": "UserAssigned", "userAssignedIdentities": {OTHER: shown[OTHER]}} == _identity(azure)


def test_a_user_assigned_identity_outlives_what_it_is_attached_to(azure: Azure) -> None:
    """It goes by itself, and what it was attached to tells so."""
    _put(azure, WORKER)
    _put(azure, identity=_attach(WORKER))
    principal = azure.call("GET", WORKER).body["properties"]["principalId"]
    assert azure.call("PUT", WORKER, BODY).body["properties"]["principalId"] == principal
    azure.call("DELETE", SITE)
    assert azure.world.directory.service_principals[principal].deleted is None
    _put(azure, identity=_attach(WORKER))
    azure.call("DELETE", WORKER)
    assert azure.world.directory.service_principals[principal].deleted is not None
    assert {"type": "UserAssigned", "userAssignedIdentities": {WORKER: {}}} == _identity(azure)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({}, (400, "InvalidRequestContent")),
        ("SystemAssigned", (400, "InvalidRequestContent")),
        ({"type": "Other"}, (400, "InvalidRequestContent")),
        ({"type": "UserAssigned"}, (400, "InvalidRequestContent")),
        (_attach(kind="UserAssigned"), (400, "InvalidRequestContent")),
        (_attach(WORKER, kind="SystemAssigned"), (400, "InvalidRequestContent")),
        ({"type": "UserAssigned", "userAssignedIdentities": [WORKER]}, (400, "InvalidRequestContent")),
        (_attach(OTHER), (400, "FailedIdentityOperation")),
        ({"type": "systemassigned,userassigned", "userAssignedIdentities": {WORKER: {}}}, (201, "")),
        ({"type": "None"}, (201, "")),
    ],
)
def test_checks_what_is_asked_of_identities(azure: Azure, identity: Any, expected: tuple[int, str]) -> None:
    """And makes nothing of what it refuses."""
    _put(azure, WORKER)
    assert expected == outcome(azure.call("PUT", SITE, BODY | {"identity": identity}))
    assert (200 if expected[0] == 201 else 404) == azure.call("GET", SITE).status


def test_attaching_takes_a_right_on_the_identity(azure: Azure) -> None:
    """Beside that on the resource."""
    _put(azure, WORKER)
    _put(azure)
    someone = azure.principal()
    azure.grant(someone, CONTRIBUTOR, SITE)
    body = BODY | {"identity": _attach(WORKER)}
    refused = azure.call("PUT", SITE, body, by=someone)
    azure.grant(someone, CONTRIBUTOR, WORKER)
    assert ((403, "LinkedAuthorizationFailed"), (200, "")) == (
        outcome(refused),
        outcome(azure.call("PUT", SITE, body, by=someone)),
    )


def test_whoever_the_control_api_made_has_an_identity_too(azure: Azure) -> None:
    """It moves with it."""
    made = provision.identity(azure.world, "jobs", "system_assigned", SITE)
    assert {"type": "SystemAssigned", "principalId": made.object_id, "tenantId": TENANT} == _identity(azure)
    provision.change_identity(azure.world, made, "system_assigned", f"{SITE}-2")
    moved = azure.call("GET", f"{SITE}-2").body["identity"]
    assert (None, made.object_id) == (_identity(azure), moved["principalId"])


def test_a_fresh_identity_reaches_azures_replicas_in_its_time(azure: Azure) -> None:
    """Like every service principal."""
    azure.world.consistency.configure("typical", seed=1)
    made = _put(azure, identity=OWN)["identity"]["principalId"]
    assert not azure.world.consistency.sees("arm", "principal", made)
    azure.clock.at += 601
    assert azure.world.consistency.sees("arm", "principal", made)
