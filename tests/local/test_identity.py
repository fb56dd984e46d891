"""The managed identity endpoints: who gets a token there, and how others are refused."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.imds.service import ManagedIdentity
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import Identity

ARM = "https://management.azure.com/"
METADATA = {"metadata": "true"}


def _imds(world: LocalAzure, name: str | None = None, sent: dict[str, str] = METADATA, **query: str) -> Reply:
    base = f"/identities/{name}" if name else ""
    asked = {"api-version": "2018-02-01", "resource": ARM} | query
    call = HttpRequest("GET", f"{base}/metadata/identity/oauth2/token", {k: v for k, v in asked.items() if v}, sent)
    return handle(world, ManagedIdentity(), call)[1]


def _app_service(world: LocalAzure, name: str, header: str | None = None, **query: str) -> Reply:
    asked = {"api-version": "2019-08-01", "resource": ARM} | query
    sent = {"x-identity-header": header or world.directory.identities[name].header}
    call = HttpRequest("GET", f"/identities/{name}/msi/token", {k: v for k, v in asked.items() if v}, sent)
    return handle(world, ManagedIdentity(), call)[1]


def _subject(reply: Reply) -> str:
    claims: dict[str, Any] = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    return str(claims["oid"])


def _refusal(reply: Reply) -> tuple[int, str, str]:
    return reply.status, reply.body["error"], reply.body["error_description"]


def test_a_machine_gets_its_own_identitys_token(world: LocalAzure) -> None:
    """Nothing but the base tells the machines apart."""
    assert world.directory.identities["vm-web"].object_id == _subject(_imds(world, "vm-web"))


def test_every_value_of_the_machines_answer_is_a_text(world: LocalAzure) -> None:
    """Numbers included; the resource is repeated as asked."""
    body = _imds(world, "vm-web").body
    assert {str} == {type(value) for value in body.values()}
    assert (ARM, "86400") == (body["resource"], body["expires_in"])


@pytest.mark.parametrize("headers", [{}, {"metadata": "false"}])
def test_a_machine_has_to_send_the_metadata_header(world: LocalAzure, headers: dict[str, str]) -> None:
    """A forwarded request would lack it."""
    expected = (400, "invalid_request", "Required metadata header not specified")
    assert expected == _refusal(_imds(world, "vm-web", headers))


@pytest.mark.parametrize("missing", ["api-version", "resource"])
def test_a_missing_variable_is_named(world: LocalAzure, missing: str) -> None:
    """400."""
    reply = _imds(world, "vm-web", METADATA, **{missing: ""})
    assert (400, "invalid_request", f"Required query variable '{missing}' is missing") == _refusal(reply)


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ("client_id", "client_id"),
        ("object_id", "object_id"),
        ("msi_res_id", "resource_id"),
        ("mi_res_id", "resource_id"),
    ],
)
def test_the_shared_machine_selects_an_identity(world: LocalAzure, selector: str, field: str) -> None:
    """By any of its ids."""
    wanted = world.directory.identities["fn-orders"]
    assert wanted.object_id == _subject(_imds(world, **{selector: getattr(wanted, field)}))


def test_the_shared_machine_prefers_its_system_assigned_identity(world: LocalAzure) -> None:
    """As a machine with both kinds does."""
    assert world.directory.identities["vm-web"].object_id == _subject(_imds(world))


def test_the_shared_machine_asks_which_of_several_is_meant(world: LocalAzure) -> None:
    """When no system-assigned one decides."""
    del world.directory.identities["vm-web"]
    status, error, text = _refusal(_imds(world))
    assert (400, "invalid_request") == (status, error)
    assert text.startswith("Multiple user assigned identities exist")


@pytest.mark.parametrize("name", [None, "vm-web"])
def test_an_identity_that_the_machine_does_not_carry_is_not_found(world: LocalAzure, name: str | None) -> None:
    """Neither an unknown one nor another machine's."""
    other = "11111111-1111-4111-8111-111111111111" if name is None else world.directory.identities["fn-orders"].client_id
    assert (400, "invalid_request", "Identity not found") == _refusal(_imds(world, name, client_id=other))


def test_the_shared_machine_does_not_carry_applications(world: LocalAzure) -> None:
    """Only managed identities."""
    admin = world.directory.identities["admin"].client_id
    assert (400, "invalid_request", "Identity not found") == _refusal(_imds(world, client_id=admin))


def test_an_unknown_resource_is_entra_ids_refusal(world: LocalAzure) -> None:
    """500011, without ids beside the text."""
    reply = _imds(world, "vm-web", resource="api://nobody")
    assert (400, "invalid_resource") == (reply.status, reply.body["error"])
    assert reply.body["error_description"].startswith("AADSTS500011")
    assert {"error", "error_description"} == reply.body.keys()


def test_a_deleted_identity_gets_no_token(world: LocalAzure) -> None:
    """700016."""
    identity = world.directory.identities["vm-web"]
    world.directory.service_principals[identity.object_id].deleted = world.clock.now()
    reply = _imds(world, "vm-web")
    assert (400, "unauthorized_client") == (reply.status, reply.body["error"])


def test_app_service_answers_with_the_header(world: LocalAzure) -> None:
    """``expires_on`` in POSIX seconds, as a text."""
    reply = _app_service(world, "fn-orders")
    assert {"access_token", "client_id", "expires_on", "resource", "token_type"} == reply.body.keys()
    assert int(reply.body["expires_on"]) == pytest.approx(world.clock.now() + 86_400, abs=5)


def test_app_service_refuses_a_wrong_header(world: LocalAzure) -> None:
    """401: another identity's header opens nothing."""
    other = world.directory.identities["stranger"].header
    assert _app_service(world, "fn-orders", other).status == 401


@pytest.mark.parametrize("query", [{"api-version": "2017-09-01"}, {"resource": ""}, {"client_id": "someone"}])
def test_app_service_refuses_what_it_does_not_know(world: LocalAzure, query: dict[str, str]) -> None:
    """400 in its own shape: the version, a missing resource, another identity."""
    reply = _app_service(world, "fn-orders", **query)
    assert (400, {"statusCode", "message", "correlationId"}) == (reply.status, reply.body.keys())


def test_app_service_passes_on_entra_ids_refusal(world: LocalAzure) -> None:
    """In its own shape."""
    reply = _app_service(world, "fn-orders", resource="api://nobody")
    assert reply.body["message"].startswith("AADSTS500011")


def test_the_shared_app_service_endpoint_goes_by_the_header(world: LocalAzure) -> None:
    """One endpoint for everybody."""
    identity: Identity = world.directory.identities["stranger"]
    query = {"api-version": "2019-08-01", "resource": ARM}
    reply = handle(world, ManagedIdentity(), HttpRequest("GET", "/msi/token", query, {"x-identity-header": identity.header}))[1]
    assert identity.object_id == _subject(reply)


def test_an_application_can_be_had_through_its_base(world: LocalAzure) -> None:
    """So that a test can be anybody: with the application's own claims."""
    reply = _app_service(world, "admin", resource=f"api://{world.directory.broker_app_id}")
    claims = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    assert (["Leasehold.Admin"], 3_900) == (claims["roles"], claims["exp"] - claims["nbf"])
