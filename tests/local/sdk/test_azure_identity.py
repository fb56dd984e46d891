"""Azure's own client library, unmodified, against the local cloud."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
)
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from azure.identity.aio import ClientAssertionCredential as AsyncClientAssertionCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential

from tests.local.conftest import Cloud
from tests.local.entra.calls import EXCHANGE, key_pair

ARM = "https://management.azure.com/.default"


def _subject(token: str) -> str:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return str(claims["oid"])


def _options(cloud: Cloud) -> dict[str, Any]:
    """What a client needs to know about the local cloud."""
    return {
        "authority": cloud.endpoints["entra"],
        "disable_instance_discovery": True,
        "connection_verify": cloud.ca_bundle,
        "retry_total": 0,
    }


def _secret(cloud: Cloud) -> tuple[str, str, str]:
    """Tenant, client id and secret of the admin."""
    made = cloud.control("POST", "secrets", {"identity": "admin"})
    return cloud.document["tenant_id"], cloud.identity("admin")["client_id"], made["secret"]


def _trust(cloud: Cloud, identity: str) -> tuple[str, str]:
    """Tenant and client id of ``legacy``, which the broker's identity may sign in as."""
    graph = {"authorization": f"Bearer {cloud.token('leasehold', 'https://graph.microsoft.com')}"}
    legacy = next(app for app in cloud.control("GET", "state")["applications"] if app["display_name"] == "legacy")
    credential = {
        "name": "broker",
        "issuer": f"https://login.microsoftonline.com/{cloud.document['tenant_id']}/v2.0",
        "subject": cloud.identity(identity)["object_id"],
        "audiences": [EXCHANGE],
    }
    address = f"{cloud.endpoints['graph']}/v1.0/applications/{legacy['object_id']}/federatedIdentityCredentials"
    cloud.http.post(address, json=credential, headers=graph).raise_for_status()
    return cloud.document["tenant_id"], legacy["client_id"]


def _register_certificate(cloud: Cloud) -> tuple[str, str, bytes]:
    """Tenant and client id of ``legacy`` with a fresh certificate, and its PEM."""
    graph = {"authorization": f"Bearer {cloud.token('leasehold', 'https://graph.microsoft.com')}"}
    legacy = next(app for app in cloud.control("GET", "state")["applications"] if app["display_name"] == "legacy")
    pair = key_pair("azure-identity")
    key = {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": base64.b64encode(pair.der).decode(),
        "customKeyIdentifier": base64.b64encode(hashlib.sha1(pair.der).digest()).decode(),
    }
    address = f"{cloud.endpoints['graph']}/v1.0/applications/{legacy['object_id']}"
    cloud.http.patch(address, json={"keyCredentials": [key]}, headers=graph).raise_for_status()
    return cloud.document["tenant_id"], legacy["client_id"], pair.pem()


@pytest.fixture
def on_app_service(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a function app with ``fn-orders``; its object id."""
    identity = cloud.identity("fn-orders")
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["identity_header"])
    return str(identity["object_id"])


@pytest.fixture
def on_machine(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of ``vm-web``; its object id."""
    identity = cloud.identity("vm-web")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity["imds_base"])
    return str(identity["object_id"])


def test_a_function_app_gets_its_token(on_app_service: str) -> None:
    """ManagedIdentityCredential over App Service."""
    with ManagedIdentityCredential() as credential:
        assert on_app_service == _subject(credential.get_token(ARM).token)


async def test_a_function_app_gets_its_token_asynchronously(on_app_service: str) -> None:
    """The same on a loop."""
    async with AsyncManagedIdentityCredential() as credential:
        assert on_app_service == _subject((await credential.get_token(ARM)).token)


def test_a_function_app_names_its_identity(cloud: Cloud, on_app_service: str) -> None:
    """By client id, as the broker does."""
    with ManagedIdentityCredential(client_id=cloud.identity("fn-orders")["client_id"]) as credential:
        assert on_app_service == _subject(credential.get_token(ARM).token)


@pytest.mark.usefixtures("on_app_service")
def test_a_function_app_is_nobody_else(cloud: Cloud) -> None:
    """Another identity's client id gets nothing there."""
    with (
        ManagedIdentityCredential(client_id=cloud.identity("stranger")["client_id"]) as credential,
        pytest.raises(ClientAuthenticationError, match="No Managed Identity found"),
    ):
        credential.get_token(ARM)


@pytest.mark.usefixtures("on_app_service")
def test_a_function_app_has_to_send_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong one is refused."""
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with ManagedIdentityCredential() as credential, pytest.raises(ClientAuthenticationError):
        credential.get_token(ARM)


def test_a_machine_gets_its_token(on_machine: str) -> None:
    """ManagedIdentityCredential over the instance metadata service."""
    with ManagedIdentityCredential() as credential:
        assert on_machine == _subject(credential.get_token(ARM).token)


async def test_a_machine_gets_its_token_asynchronously(on_machine: str) -> None:
    """The same on a loop."""
    async with AsyncManagedIdentityCredential() as credential:
        assert on_machine == _subject((await credential.get_token(ARM)).token)


@pytest.mark.parametrize("name", ["object_id", "resource_id"])
def test_the_shared_machine_selects_an_identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By what azure-identity can name it by."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.endpoints["imds"])
    wanted = cloud.identity("stranger")
    with ManagedIdentityCredential(identity_config={name: wanted[name]}) as credential:
        assert wanted["object_id"] == _subject(credential.get_token(ARM).token)


@pytest.mark.usefixtures("on_machine")
def test_a_machine_is_nobody_else(cloud: Cloud) -> None:
    """An identity that it does not carry is unavailable."""
    with (
        ManagedIdentityCredential(client_id=cloud.identity("stranger")["client_id"]) as credential,
        pytest.raises(CredentialUnavailableError, match="Identity not found"),
    ):
        credential.get_token(ARM)


def test_a_secret_signs_in(cloud: Cloud) -> None:
    """ClientSecretCredential."""
    with ClientSecretCredential(*_secret(cloud), **_options(cloud)) as credential:
        assert cloud.identity("admin")["object_id"] == _subject(credential.get_token(ARM).token)


async def test_a_secret_signs_in_asynchronously(cloud: Cloud) -> None:
    """The same on a loop."""
    async with AsyncClientSecretCredential(*_secret(cloud), **_options(cloud)) as credential:
        assert cloud.identity("admin")["object_id"] == _subject((await credential.get_token(ARM)).token)


def test_a_wrong_secret_is_refused(cloud: Cloud) -> None:
    """With Azure's code in the error."""
    tenant, client, _ = _secret(cloud)
    with (
        ClientSecretCredential(tenant, client, "wrong", **_options(cloud)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(ARM)


def test_an_unknown_resource_is_refused(cloud: Cloud) -> None:
    """500011."""
    with (
        ClientSecretCredential(*_secret(cloud), **_options(cloud)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS500011"),
    ):
        credential.get_token("api://nobody/.default")


def test_an_unknown_tenant_is_refused(cloud: Cloud) -> None:
    """MSAL reads it off the discovery document."""
    _, client, secret = _secret(cloud)
    with (
        ClientSecretCredential("11111111-1111-4111-8111-111111111111", client, secret, **_options(cloud)) as credential,
        pytest.raises(ClientAuthenticationError, match="Unable to get authority configuration"),
    ):
        credential.get_token(ARM)


def test_a_certificate_signs_in(cloud: Cloud) -> None:
    """CertificateCredential, registered through Graph."""
    tenant, client, pem = _register_certificate(cloud)
    with CertificateCredential(tenant, client, certificate_data=pem, **_options(cloud)) as credential:
        claims = jwt.decode(credential.get_token(ARM).token, options={"verify_signature": False})
        assert (client, "2") == (claims["appid"], claims["appidacr"])


async def test_a_certificate_signs_in_asynchronously(cloud: Cloud) -> None:
    """The same on a loop."""
    tenant, client, pem = _register_certificate(cloud)
    async with AsyncCertificateCredential(tenant, client, certificate_data=pem, **_options(cloud)) as credential:
        assert (await credential.get_token(ARM)).token


def test_an_unregistered_certificate_is_refused(cloud: Cloud) -> None:
    """700027."""
    tenant, client, _ = _register_certificate(cloud)
    other = key_pair("stranger").pem()
    with (
        CertificateCredential(tenant, client, certificate_data=other, **_options(cloud)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS700027"),
    ):
        credential.get_token(ARM)


def test_a_managed_identity_signs_in_as_an_application(cloud: Cloud) -> None:
    """ClientAssertionCredential over a federated credential: no secret anywhere."""
    tenant, client = _trust(cloud, "leasehold")
    with ClientAssertionCredential(tenant, client, lambda: cloud.token("leasehold", EXCHANGE), **_options(cloud)) as credential:
        claims = jwt.decode(credential.get_token(ARM).token, options={"verify_signature": False})
        assert client == claims["appid"]


async def test_a_managed_identity_signs_in_as_an_application_asynchronously(cloud: Cloud) -> None:
    """The same on a loop."""
    tenant, client = _trust(cloud, "leasehold")
    assertion = cloud.token("leasehold", EXCHANGE)
    async with AsyncClientAssertionCredential(tenant, client, lambda: assertion, **_options(cloud)) as credential:
        assert (await credential.get_token(ARM)).token


def test_another_managed_identity_does_not(cloud: Cloud) -> None:
    """700213: the subject is somebody else."""
    tenant, client = _trust(cloud, "leasehold")
    with (
        ClientAssertionCredential(tenant, client, lambda: cloud.token("stranger", EXCHANGE), **_options(cloud)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS700213"),
    ):
        credential.get_token(ARM)
