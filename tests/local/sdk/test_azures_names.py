"""Azure's own clients, unmodified and pointed nowhere, on the port that has every service under Azure's own names."""

from __future__ import annotations

from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from msgraph.generated.models.application import Application
from msgraph.graph_service_client import GraphServiceClient

from tests.local.conftest import Cloud

GRAPH = "https://graph.microsoft.com/.default"


def _secret(cloud: Cloud) -> tuple[str, str, str]:
    """Tenant, client id and secret of ``freshness``, an application that may do with applications what it likes."""
    cloud.control("POST", "identities", {"name": "maker", "kind": "application", "app_roles": ["Application.ReadWrite.All"]})
    made = cloud.control("POST", "secrets", {"identity": "maker"})
    return cloud.document["tenant_id"], cloud.identity("maker")["client_id"], made["secret"]


async def _close(client: GraphServiceClient) -> None:
    """Ends the connections, which the SDK leaves open."""
    http: Any = getattr(client.request_adapter, "_http_client")  # noqa: B009 - it is nobody's business but this test's
    for transport in http._mounts.values():
        if transport is not None:
            await transport.transport.aclose()


async def test_msgraph_sdk_at_its_own_base_url(named: Cloud) -> None:
    """It asks for ``/v1.0//applications``."""
    with ClientSecretCredential(*_secret(named)) as credential:
        client = GraphServiceClient(credential)
        made = await client.applications.post(Application(display_name="one"))
        assert made is not None
        read = await client.applications.by_application_id(str(made.id)).get()
        await client.applications.by_application_id(str(made.id)).delete()
        await client.directory.deleted_items.by_directory_object_id(str(made.id)).delete()
        await _close(client)
    assert read is not None
    assert "one" == read.display_name


def test_azure_mgmt_authorization_at_its_own_base_url(named: Cloud) -> None:
    """With the audience that it asks for by itself."""
    subscription = f"/subscriptions/{named.document['subscription_id']}"
    secret = _secret(named)
    named.control("POST", "role-assignments", {"identity": "maker", "role": "Reader", "scope": subscription})
    with (
        ClientSecretCredential(*secret) as credential,
        AuthorizationManagementClient(credential, named.document["subscription_id"]) as client,
    ):
        listed = list(client.role_assignments.list_for_subscription())
    assert named.identity("maker")["object_id"] in {each.principal_id for each in listed}


@pytest.mark.parametrize("authority", ["https://login.microsoftonline.com", None])
def test_azure_identity_discovers_its_instance(named: Cloud, authority: str | None) -> None:
    """Also at an authority that Azure's list does not have: the list is then asked for it."""
    with ClientSecretCredential(*_secret(named), authority=authority or named.endpoints["all_tls"]) as credential:
        assert credential.get_token(GRAPH).token
    assert ("/common/discovery/instance" in {call["template"] for call in named.control("GET", "calls")}) is (authority is None)
