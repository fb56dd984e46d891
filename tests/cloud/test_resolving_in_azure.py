"""Roles as an admin may write them, looked up in the local Azure: what can never be issued is refused with its path."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.azure_role import AzureRole
from shared.core.errors import Malformed
from shared.core.names import ObjectId, Scope
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from shared.issuers.service_principal.resolve import Resolving
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.cloud.adapters import Adapters

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
FOREIGN = "/subscriptions/eeeeeeee-0000-4000-8000-000000000001"
GROUPS = "/providers/Microsoft.Management/managementGroups"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
KEY_VAULT_ACCESS = "8b54135c-b56d-4d72-a534-26097cfdc8d8"


def own(adapters: Adapters) -> str:
    """The sample's subscription."""
    return f"/subscriptions/{adapters.cloud.document['subscription_id']}"


async def resolved(adapters: Adapters, role: AzureRole | None = None, **more: Any) -> ServicePrincipalTarget:
    """What comes of it; in a deployment that protects a group elsewhere."""
    target = ServicePrincipalTarget(azure_roles=(role,) if role else (), **more)
    protected = (Scope.parse(f"{own(adapters)}/resourceGroups/data"),)
    return await Resolving(adapters.graph, adapters.arm, GraphPermissions(adapters.app_roles), protected, target).run()


async def fault(adapters: Adapters, role: AzureRole | None = None, **more: Any) -> str:
    """The one path that is wrong."""
    with pytest.raises(Malformed) as caught:
        await resolved(adapters, role, **more)
    (found,) = caught.value.faults
    return found.path


@pytest.mark.parametrize("named", [{"role_name": "Reader"}, {"role_id": f"{DEFINITIONS}/{READER}"}])
@pytest.mark.parametrize(
    "scope",
    [
        "{own}/resourceGroups/missing",
        "{own}/resourceGroups/app/providers/Microsoft.Web/sites/no",
        FOREIGN,
        f"{FOREIGN}/resourceGroups/app",
        f"{GROUPS}/nowhere",
    ],
)
async def test_a_scope_that_is_not_there_or_out_of_reach(adapters: Adapters, scope: str, named: dict[str, Any]) -> None:
    """However the definition is named."""
    assert "azure_roles[0].scope" == await fault(adapters, AzureRole(Scope.parse(scope.format(own=own(adapters))), **named))


@pytest.mark.parametrize("below", [FOREIGN, "{own}/resourceGroups/missing", f"{GROUPS}/nowhere"])
async def test_a_role_id_that_cannot_be_read(adapters: Adapters, below: str) -> None:
    """Below a scope that the broker is not shown."""
    role = AzureRole(adapters.scope, role_id=f"{below.format(own=own(adapters))}{DEFINITIONS}/{READER}")
    assert "azure_roles[0].role_id" == await fault(adapters, role)


async def test_a_scope_where_the_broker_may_only_read(adapters: Adapters) -> None:
    """Its permissions there say so."""
    root = f"{GROUPS}/{adapters.cloud.document['tenant_id']}"
    adapters.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Reader", "scope": root})
    assert "azure_roles[0].scope" == await fault(adapters, AzureRole(Scope.parse(root), "Reader"))


async def test_a_management_group_that_holds_the_broker(adapters: Adapters) -> None:
    """Though it may assign roles there."""
    root = f"{GROUPS}/{adapters.cloud.document['tenant_id']}"
    adapters.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Owner", "scope": root})
    subscription = f"/subscriptions/{adapters.cloud.document['subscription_id']}"
    assert subscription in await adapters.arm.descendants(Scope.parse(root))
    assert "azure_roles[0].scope" == await fault(adapters, AzureRole(Scope.parse(root), "Reader"))


async def test_a_definition_comes_with_what_it_allows(adapters: Adapters) -> None:
    """By name as by id."""
    by_name = await resolved(adapters, AzureRole(adapters.scope, "Key Vault Data Access Administrator"))
    by_id = await resolved(adapters, AzureRole(adapters.scope, role_id=f"{DEFINITIONS}/{KEY_VAULT_ACCESS}"))
    for found in (by_name, by_id):
        powers = found.azure_roles[0].powers
        assert powers is not None
        assert ("Microsoft.Authorization/roleAssignments/write",) == powers.gives_roles


@pytest.mark.usefixtures("groups")
async def test_a_group_that_is_not_there(adapters: Adapters) -> None:
    """Told with its place."""
    groups = (ObjectId("dddddddd-0000-4000-8000-000000000001"),)
    assert "azure_groups[0].object_id" == await fault(adapters, azure_groups=groups)
