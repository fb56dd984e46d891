"""Microsoft's own Graph SDK for Python, unmodified, against the local Microsoft Graph over TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from azure.core.credentials import AccessToken
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory  # type: ignore[import-untyped]  # it ships no types

from tests.local.conftest import Cloud

type Query = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters


class Fixed:
    """A credential that has one token."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, 4_102_444_800)

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """The token."""
        return self._token

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def client(cloud: Cloud) -> AsyncIterator[GraphServiceClient]:
    """The SDK's client, signed in as the broker: it may manage what it owns, and members of groups."""
    credential: Any = Fixed(cloud.token("leasehold", "https://graph.microsoft.com"))
    provider = AzureIdentityAuthenticationProvider(credential, allowed_hosts=["127.0.0.1"])
    context = ssl.create_default_context(cafile=cloud.ca_bundle)
    # The SDK wraps the transport of the client that it is given, and nobody would close it but us.
    async with httpx.AsyncHTTPTransport(verify=context) as transport:
        http = httpx.AsyncClient(transport=transport)
        adapter = GraphRequestAdapter(provider, GraphClientFactory.create_with_default_middleware(client=http))
        adapter.base_url = f"{cloud.endpoints['graph']}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)


async def _created(client: GraphServiceClient, name: str = "one") -> tuple[str, str]:
    """Object id and client id of a new application."""
    made = await client.applications.post(Application(display_name=name))
    assert made is not None
    assert made.id is not None
    assert made.app_id is not None
    return made.id, made.app_id


def _prefer() -> RequestConfiguration[Any]:
    asked: RequestConfiguration[Any] = RequestConfiguration()
    asked.headers.add("Prefer", "create-if-missing")
    return asked


def _asked(**query: Any) -> RequestConfiguration[Query]:
    parameters = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters(**query)
    return RequestConfiguration(query_parameters=parameters)


async def test_application_is_created_read_and_deleted(client: GraphServiceClient) -> None:
    """With its service principal, down to the recycle bin."""
    object_id, app_id = await _created(client)
    principal = await client.service_principals.post(ServicePrincipal(app_id=app_id))
    read = await client.applications_with_app_id(app_id).get()
    assert principal is not None
    assert read is not None
    assert (object_id, "one", app_id) == (read.id, read.display_name, principal.app_id)
    await client.applications.by_application_id(object_id).delete()
    await client.directory.deleted_items.by_directory_object_id(object_id).delete()
    with pytest.raises(APIError) as gone:
        await client.directory.deleted_items.by_directory_object_id(object_id).get()
    assert 404 == gone.value.response_status_code


async def test_application_is_upserted_by_its_unique_name(client: GraphServiceClient) -> None:
    """The first time it is made, the second it is changed."""
    by_name = client.applications_with_unique_name("lease-1")
    made = await by_name.patch(Application(display_name="one"), _prefer())
    await by_name.patch(Application(display_name="two"), _prefer())
    read = await by_name.get()
    assert made is not None
    assert read is not None
    assert (made.id, "two", "lease-1") == (read.id, read.display_name, read.unique_name)


async def test_secret_is_added_and_removed(client: GraphServiceClient) -> None:
    """Its end is as asked for, and its text is told."""
    object_id, _ = await _created(client)
    application = client.applications.by_application_id(object_id)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=15)
    asked = PasswordCredential(display_name="lease-1", end_date_time=end)
    made = await application.add_password.post(AddPasswordPostRequestBody(password_credential=asked))
    assert made is not None
    assert (end, "lease-1", True) == (made.end_date_time, made.display_name, bool(made.secret_text))
    await application.remove_password.post(RemovePasswordPostRequestBody(key_id=made.key_id))
    left = await application.get()
    assert left is not None
    assert [] == left.password_credentials


@pytest.mark.usefixtures("groups")
async def test_member_is_added_and_removed(cloud: Cloud, client: GraphServiceClient) -> None:
    """The service principal of an application that the caller made, in a group that it may fill."""
    _, app_id = await _created(client)
    principal = await client.service_principals.post(ServicePrincipal(app_id=app_id))
    found = await client.groups.get()
    assert principal is not None
    assert principal.id is not None
    assert found is not None
    assert found.value
    members = client.groups.by_group_id(str(found.value[0].id)).members
    await members.ref.post(ReferenceCreate(odata_id=f"{cloud.endpoints['graph']}/v1.0/directoryObjects/{principal.id}"))
    listed = await members.get()
    assert listed is not None
    assert principal.id in [item.id for item in listed.value or ()]
    await members.by_directory_object_id(principal.id).ref.delete()
    emptied = await members.get()
    assert emptied is not None
    assert principal.id not in [item.id for item in emptied.value or ()]


async def test_federated_credential_is_created_and_listed(client: GraphServiceClient) -> None:
    """By name and by issuer and subject."""
    object_id, _ = await _created(client)
    trusts = client.applications.by_application_id(object_id).federated_identity_credentials
    trust = FederatedIdentityCredential(
        name="main", issuer="https://issuer.example", subject="job", audiences=["api://AzureADTokenExchange"]
    )
    await trusts.post(trust)
    listed = await trusts.get()
    assert listed is not None
    assert [("main", "job")] == [(item.name, item.subject) for item in listed.value or ()]


async def test_pages_are_followed_by_their_links(client: GraphServiceClient) -> None:
    """The links lead back to the local Graph."""
    made = {(await _created(client, f"page {number}"))[0] for number in range(5)}
    page = await client.applications.get(_asked(filter="startswith(displayName,'page')", top=2))
    seen: list[str | None] = []
    while page is not None:
        seen += [item.id for item in page.value or ()]
        page = await client.applications.with_url(page.odata_next_link).get() if page.odata_next_link else None
    assert (5, made) == (len(seen), set(seen))


async def test_refusal_is_an_error_with_its_code(client: GraphServiceClient) -> None:
    """What the caller does not own it cannot change; the error says why, and by which request."""
    found = await client.applications.get(_asked(filter="displayName eq 'Leasehold'"))
    assert found is not None
    assert found.value
    with pytest.raises(APIError) as refused:
        await client.applications.by_application_id(str(found.value[0].id)).patch(Application(notes="mine"))
    error: Any = refused.value
    assert (403, "Authorization_RequestDenied") == (error.response_status_code, error.error.code)
    assert error.error.inner_error.request_id
