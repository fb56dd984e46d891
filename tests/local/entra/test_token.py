"""The token endpoints: who gets a token with a secret, and how everybody else is refused."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote_plus

import pytest

from local.cloud.control import provision
from local.cloud.local_azure import LocalAzure
from tests.local.entra.calls import aadsts, claims, get, grant, post, register


def test_a_secret_gets_a_version_2_answer(world: LocalAzure) -> None:
    """Numbers are numbers, and nothing else is said."""
    reply = post(world, grant(register(world)))
    assert reply.status == 200
    assert {"token_type", "expires_in", "ext_expires_in", "access_token"} == reply.body.keys()
    assert (3599, 3599) == (reply.body["expires_in"], reply.body["ext_expires_in"])


def test_the_version_1_endpoint_answers_with_texts(world: LocalAzure) -> None:
    """``expires_in`` is a text there, and the resource is repeated."""
    app = register(world)
    form = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": app.secret}
    reply = post(world, form | {"resource": "https://management.core.windows.net/"}, v1=True)
    assert ("3599", "https://management.core.windows.net/") == (reply.body["expires_in"], reply.body["resource"])
    assert int(reply.body["expires_on"]) - int(reply.body["not_before"]) == 3900


def test_a_secret_may_live_on_the_service_principal(world: LocalAzure) -> None:
    """Graph adds passwords to either."""
    app = register(world)
    principal = world.directory.service_principals[app.object_id]
    principal.passwords[app.key_id] = app.application.passwords.pop(app.key_id)
    assert post(world, grant(app)).status == 200


def test_http_basic_authenticates_the_client(world: LocalAzure) -> None:
    """Id and secret are form-encoded before they are joined."""
    app = register(world)
    form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    secret = base64.b64encode(f"{app.client_id}:{quote_plus(app.secret)}".encode()).decode()
    assert post(world, form, headers={"authorization": f"Basic {secret}"}).status == 200


def test_the_tenant_may_be_named(world: LocalAzure) -> None:
    """By its domain, as well as by its id."""
    assert post(world, grant(register(world)), tenant="Leasehold.onmicrosoft.com").status == 200


def test_another_tenant_is_not_found(world: LocalAzure) -> None:
    """90002."""
    other = "11111111-1111-4111-8111-111111111111"
    assert (400, "invalid_request", [90002]) == aadsts(post(world, grant(register(world)), tenant=other))


def test_an_application_has_to_name_its_tenant(world: LocalAzure) -> None:
    """50059: ``common`` is for people."""
    assert (400, "invalid_request", [50059]) == aadsts(post(world, grant(register(world)), tenant="common"))


def test_an_unknown_application_is_not_found(world: LocalAzure) -> None:
    """700016."""
    form = grant(register(world), client_id="11111111-1111-4111-8111-111111111111")
    assert (400, "unauthorized_client", [700016]) == aadsts(post(world, form))


def test_a_deleted_application_is_not_found(world: LocalAzure) -> None:
    """A secret dies with its application, even while that lies in the recycle bin."""
    app = register(world)
    app.application.deleted = world.directory.service_principals[app.object_id].deleted = world.clock.now()
    assert (400, "unauthorized_client", [700016]) == aadsts(post(world, grant(app)))


def test_an_application_needs_a_service_principal(world: LocalAzure) -> None:
    """7000229."""
    app = register(world)
    del world.directory.service_principals[app.object_id]
    assert (401, "invalid_client", [7000229]) == aadsts(post(world, grant(app)))


def test_a_disabled_service_principal_is_refused(world: LocalAzure) -> None:
    """7000112."""
    app = register(world)
    world.directory.service_principals[app.object_id].properties["accountEnabled"] = False
    assert (400, "unauthorized_client", [7000112]) == aadsts(post(world, grant(app)))


def test_a_wrong_secret_is_refused(world: LocalAzure) -> None:
    """7000215."""
    form = grant(register(world), client_secret="wrong")
    assert (401, "invalid_client", [7000215]) == aadsts(post(world, form))


def test_a_removed_secret_is_refused(world: LocalAzure) -> None:
    """It reads as a wrong one."""
    app = register(world)
    app.application.passwords.clear()
    assert (401, "invalid_client", [7000215]) == aadsts(post(world, grant(app)))


def test_an_expired_secret_is_refused(world: LocalAzure) -> None:
    """7000222, once the cloud's own clock is past the end date."""
    app = register(world)
    world.clock.ahead += 366 * 86400
    assert (401, "invalid_client", [7000222]) == aadsts(post(world, grant(app)))


def test_a_secret_is_needed(world: LocalAzure) -> None:
    """7000216."""
    form = grant(register(world))
    del form["client_secret"]
    assert (401, "invalid_client", [7000216]) == aadsts(post(world, form))


@pytest.mark.parametrize("field", ["grant_type", "client_id", "scope"])
def test_a_missing_field_is_named(world: LocalAzure, field: str) -> None:
    """900144."""
    form = grant(register(world))
    del form[field]
    reply = post(world, form)
    assert (400, "invalid_request", [900144]) == aadsts(reply)
    assert f"'{field}'" in reply.body["error_description"]


@pytest.mark.parametrize(
    "scope",
    [
        "{} openid offline_access profile",
        "openid offline_access profile {}",
        "profile {} openid",
        "offline_access {}",
        "OpenId {} openid",
        "  openid\t{}  ",
    ],
)
@pytest.mark.parametrize("resource", ["https://graph.microsoft.com", "https://management.azure.com/"])
def test_openids_words_may_stand_anywhere_among_the_scopes(world: LocalAzure, scope: str, resource: str) -> None:
    """MSAL for Go always asks for them. They change nothing."""
    app = register(world)
    plain, among = (post(world, grant(app, text)) for text in (f"{resource}/.default", scope.format(f"{resource}/.default")))
    assert (200, claims(plain)["aud"]) == (among.status, claims(among)["aud"])


@pytest.mark.parametrize(
    "scope",
    [
        "https://graph.microsoft.com/User.Read",
        "https://graph.microsoft.com/.default https://management.azure.com/.default",
        "https://graph.microsoft.com/.default email",
        "openid profile offline_access",
        "a b/.default",
        " ",
    ],
)
def test_a_scope_has_to_be_one_default(world: LocalAzure, scope: str) -> None:
    """1002012."""
    assert (400, "invalid_scope", [1002012]) == aadsts(post(world, grant(register(world), scope)))


def test_an_unknown_resource_is_not_found(world: LocalAzure) -> None:
    """500011."""
    reply = post(world, grant(register(world), "api://nobody/.default"))
    assert (400, "invalid_resource", [500011]) == aadsts(reply)


def test_an_api_without_service_principal_is_not_found(world: LocalAzure) -> None:
    """500011 as well: a registration alone is no resource."""
    api = register(world, "api")
    del world.directory.service_principals[api.object_id]
    reply = post(world, grant(register(world), f"api://{api.client_id}/.default"))
    assert (400, "invalid_resource", [500011]) == aadsts(reply)


def test_an_api_may_admit_only_those_with_a_role(world: LocalAzure) -> None:
    """501051, when the API's service principal asks for assignment."""
    api = register(world, "api")
    world.directory.service_principals[api.object_id].properties["appRoleAssignmentRequired"] = True
    reply = post(world, grant(register(world), f"api://{api.client_id}/.default"))
    assert (400, "invalid_grant", [501051]) == aadsts(reply)


def test_an_unknown_grant_is_unsupported(world: LocalAzure) -> None:
    """70003."""
    form = grant(register(world), grant_type="urn:ietf:params:oauth:grant-type:token-exchange")
    assert (400, "unsupported_grant_type", [70003]) == aadsts(post(world, form))


@pytest.mark.parametrize("kind", ["password", "refresh_token", "authorization_code", "device_code"])
def test_a_persons_grant_is_not_implemented(world: LocalAzure, kind: str) -> None:
    """501, in OAuth's shape."""
    reply = post(world, grant(register(world), grant_type=kind))
    assert (501, "not_implemented") == (reply.status, reply.body["error"])


def test_a_refusal_carries_ids_and_the_time(world: LocalAzure) -> None:
    """As Azure's do, in the text and beside it."""
    reply = post(world, grant(register(world), client_secret="wrong"), headers={"client-request-id": "abc"})
    body = reply.body
    lines = body["error_description"].split("\r\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])
    assert [f"Trace ID: {body['trace_id']}", "Correlation ID: abc", f"Timestamp: {body['timestamp']}"] == lines[1:]
    assert body["trace_id"] == reply.headers["x-ms-request-id"]
    assert body["error_uri"] == "https://login.microsoftonline.com/error?code=7000215"


def test_a_fresh_application_is_not_found_yet(world: LocalAzure) -> None:
    """700016 until the registration has been replicated."""
    world.consistency.configure("typical", seed=1)
    app = register(world)
    world.consistency.wrote("application", app.application.id)
    before = aadsts(post(world, grant(app)))
    world.clock.ahead += 121
    assert ((400, "unauthorized_client", [700016]), 200) == (before, post(world, grant(app)).status)


def test_a_fresh_secret_is_wrong_at_first(world: LocalAzure) -> None:
    """7000215 until the secret has been replicated."""
    world.consistency.configure("typical", seed=1)
    app = register(world)
    world.consistency.wrote("secret", app.key_id)
    before = aadsts(post(world, grant(app)))
    world.clock.ahead += 121
    assert ((401, "invalid_client", [7000215]), 200) == (before, post(world, grant(app)).status)


def test_a_first_token_does_not_promise_a_second(world: LocalAzure) -> None:
    """Replicas differ: a success may be followed by 700016."""
    world.consistency.configure("typical", seed=5)
    app = register(world)
    world.consistency.wrote("application", app.application.id)
    statuses = []
    for _ in range(240):
        world.clock.ahead += 0.5
        statuses.append(post(world, grant(app)).status)
    assert 400 in statuses[statuses.index(200) :]
    assert statuses[-1] == 200


def test_a_registered_identifier_uri_names_the_api(world: LocalAzure) -> None:
    """Beside the client id and ``api://`` with it; version 1 tokens repeat what was asked for."""
    api, app = register(world, "api"), register(world)
    api.application.properties["identifierUris"] = ["https://api.example.com/orders"]
    for name in ("https://api.example.com/orders", f"api://{api.client_id}", api.client_id):
        assert name == claims(post(world, grant(app, f"{name}/.default")))["aud"]


def test_the_local_origin_names_graph(world: LocalAzure) -> None:
    """azure-cli asks for tokens for the endpoint it calls."""
    world.origins["https://127.0.0.1:7444"] = "00000003-0000-0000-c000-000000000000"
    app = register(world)
    provision.app_role(world, world.directory.service_principals[app.object_id], "Application.Read.All")
    stated = claims(post(world, grant(app, "https://127.0.0.1:7444/.default")))
    assert ("https://127.0.0.1:7444", ["Application.Read.All"]) == (stated["aud"], stated["roles"])


def test_what_is_not_there_is_not_implemented(world: LocalAzure) -> None:
    """501, in OAuth's shape."""
    reply = get(world, f"/{world.tenant_id}/oauth2/v2.0/authorize")
    assert (501, "NotImplemented") == (reply.status, reply.body["error"])
