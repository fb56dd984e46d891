"""Roles as an admin may write them, looked up in the local Azure: what can never be issued is refused with its path."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.azure_role import AzureRole
from shared.core.errors import Malformed
from shared.core.names import ObjectId, Scope
from shared.issuers.service_principal.resolve import Resolving
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.cloud.stage import Stage

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
FOREIGN = "/subscriptions/eeeeeeee-0000-4000-8000-000000000001"
GROUPS = "/providers/Microsoft.Management/managementGroups"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
KEY_VAULT_ACCESS = "8b54135c-b56d-4d72-a534-26097cfdc8d8"


def own(stage: Stage) -> str:
    """The sample's subscription."""
    return f"/subscriptions/{stage.cloud.document['subscription_id']}"


async def resolved(stage: Stage, role: AzureRole | None = None, **more: Any) -> ServicePrincipalTarget:
    """What comes of it; in a deployment that protects a group elsewhere."""
    target = ServicePrincipalTarget(azure_roles=(role,) if role else (), **more)
    protected = (Scope.parse(f"{own(stage)}/resourceGroups/data"),)
    return await Resolving(stage.graph, stage.arm, protected, target).run()


async def fault(stage: Stage, role: AzureRole | None = None, **more: Any) -> str:
    """The one path that is wrong."""
    with pytest.raises(Malformed) as caught:
        await resolved(stage, role, **more)
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
async def test_a_scope_that_is_not_there_or_out_of_reach(stage: Stage, scope: str, named: dict[str, Any]) -> None:
    """However the definition is named."""
    assert "azure_roles[0].scope" == await fault(stage, AzureRole(Scope.parse(scope.format(own=own(stage))), **named))


@pytest.mark.parametrize("below", [FOREIGN, "{own}/resourceGroups/missing", f"{GROUPS}/nowhere"])
async def test_a_role_id_that_cannot_be_read(stage: Stage, below: str) -> None:
    """Below a scope that the broker is not shown."""
    role = AzureRole(stage.scope, role_id=f"{below.format(own=own(stage))}{DEFINITIONS}/{READER}")
    assert "azure_roles[0].role_id" == await fault(stage, role)


async def test_a_scope_where_the_broker_may_only_read(stage: Stage) -> None:
    """Its permissions there say so."""
    root = f"{GROUPS}/{stage.cloud.document['tenant_id']}"
    stage.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Reader", "scope": root})
    assert "azure_roles[0].scope" == await fault(stage, AzureRole(Scope.parse(root), "Reader"))


async def test_a_management_group_that_holds_the_broker(stage: Stage) -> None:
    """Though it may assign roles there."""
    root = f"{GROUPS}/{stage.cloud.document['tenant_id']}"
    stage.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Owner", "scope": root})
    subscription = f"/subscriptions/{stage.cloud.document['subscription_id']}"
    assert subscription in await stage.arm.descendants(Scope.parse(root))
    assert "azure_roles[0].scope" == await fault(stage, AzureRole(Scope.parse(root), "Reader"))


async def test_a_definition_comes_with_what_it_allows(stage: Stage) -> None:
    """By name as by id."""
    by_name = await resolved(stage, AzureRole(stage.scope, "Key Vault Data Access Administrator"))
    by_id = await resolved(stage, AzureRole(stage.scope, role_id=f"{DEFINITIONS}/{KEY_VAULT_ACCESS}"))
    for found in (by_name, by_id):
        powers = found.azure_roles[0].powers
        assert powers is not None
        assert ("Microsoft.Authorization/roleAssignments/write",) == powers.gives_roles


@pytest.mark.usefixtures("groups")
async def test_a_group_that_is_not_there(stage: Stage) -> None:
    """Told with its place."""
    groups = (ObjectId("dddddddd-0000-4000-8000-000000000001"),)
    assert "azure_groups[0].object_id" == await fault(stage, azure_groups=groups)
