from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.aio import AuthorizationManagementClient as AsyncClient
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters, RoleDefinition

from tests.local.conftest import Cloud

RBAC = "Role Based Access Control Administrator"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
_NAMES = uuid.UUID("0f8f2b3c-3a5e-4f2c-9a58-6f0c1f1f2d11")


class Fixed:
    """A credential that has one token, for both kinds of client."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, 4_102_444_800)

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """The token."""
        return self._token


class AsyncFixed(Fixed):
    """The same, to be awaited."""

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:  # type: ignore[override]  # awaited
        """The token."""
        return self._token

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""


@pytest.fixture
def scope(cloud: Cloud) -> str:
    """The sample's resource group ``app``."""
    return f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups/app"


@pytest.fixture
def client(cloud: Cloud) -> Iterator[AuthorizationManagementClient]:
    """The SDK's client, signed in as somebody whose right to assign roles has no condition."""
    subscription = f"/subscriptions/{cloud.document['subscription_id']}"
    cloud.control("POST", "role-assignments", {"identity": "stranger", "role": RBAC, "scope": subscription})
    token = cloud.token("stranger", "https://management.azure.com")
    with AuthorizationManagementClient(
        Fixed(token), cloud.document["subscription_id"], base_url=cloud.endpoints["arm"], **_options(cloud)
    ) as made:
        yield made


def _options(cloud: Cloud) -> dict[str, Any]:
    return {
        "credential_scopes": ["https://management.azure.com/.default"],
        "connection_verify": cloud.ca_bundle,
        "retry_total": 0,
    }


def _code(fault: HttpResponseError) -> str:
    return str(fault.error.code) if fault.error else ""


def _parameters(cloud: Cloud) -> RoleAssignmentCreateParameters:
    subscription = cloud.document["subscription_id"]
    return RoleAssignmentCreateParameters(
        role_definition_id=f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{READER}",
        principal_id=cloud.identity("fn-orders")["object_id"],
        principal_type="ServicePrincipal",
    )


def test_an_assignment_lives(client: AuthorizationManagementClient, cloud: Cloud, scope: str) -> None:
    """Created, read by name and id, listed, deleted, and gone."""
    name = str(uuid.uuid5(_NAMES, "lives"))

    made = client.role_assignments.create(scope, name, _parameters(cloud))
    by_name, by_id = client.role_assignments.get(scope, name), client.role_assignments.get_by_id(made.id)
    principal = made.principal_id
    listed = [item.name for item in client.role_assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'")]
    deleted, gone = client.role_assignments.delete(scope, name), client.role_assignments.delete(scope, name)

    assert {made.name, by_name.name, by_id.name, *listed, deleted.name} == {name}
    assert gone is None


def test_what_the_service_refuses_is_an_error_with_its_code(
    client: AuthorizationManagementClient, cloud: Cloud, scope: str
) -> None:
    """The SDK finds the code in the body."""
    client.role_assignments.create(scope, str(uuid.uuid5(_NAMES, "one")), _parameters(cloud))

    with pytest.raises(HttpResponseError) as refused:
        client.role_assignments.create(scope, str(uuid.uuid5(_NAMES, "two")), _parameters(cloud))

    assert (refused.value.status_code, _code(refused.value)) == (409, "RoleAssignmentExists")


def test_roles_are_found_by_name(client: AuthorizationManagementClient, scope: str) -> None:
    """With their permissions."""
    found = list(client.role_definitions.list(scope, filter="roleName eq 'Reader'"))

    assert [(item.name, item.permissions[0].actions) for item in found] == [(READER, ["*/read"])]


def test_a_custom_role_takes_the_right_to_write_roles(client: AuthorizationManagementClient, scope: str) -> None:
    """Which an administrator of assignments does not have."""
    role = RoleDefinition(role_name="Own", role_type="CustomRole", permissions=[], assignable_scopes=[scope])

    with pytest.raises(HttpResponseError) as refused:
        client.role_definitions.create_or_update(scope, str(uuid.uuid5(_NAMES, "role")), role)

    assert _code(refused.value) == "AuthorizationFailed"


def test_permissions_are_listed(client: AuthorizationManagementClient) -> None:
    """What the caller itself may do."""
    found = list(client.permissions.list_for_resource_group("app"))

    assert "Microsoft.Authorization/roleAssignments/write" in {action for entry in found for action in entry.actions}


async def test_an_assignment_lives_asynchronously(cloud: Cloud, scope: str) -> None:
    """The same life through the asynchronous client."""
    token = cloud.token("leasehold", "https://management.azure.com")
    name = str(uuid.uuid5(_NAMES, "awaited"))
    async with AsyncClient(
        AsyncFixed(token), cloud.document["subscription_id"], base_url=cloud.endpoints["arm"], **_options(cloud)
    ) as client:
        made = await client.role_assignments.create(scope, name, _parameters(cloud))
        listed = [item.name async for item in client.role_assignments.list_for_resource_group("app")]
        deleted = await client.role_assignments.delete(scope, name)

    assert (made.name, name in listed, deleted.name) == (name, True, name)
