"""Microsoft's own applications, put into the tenant."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from local.cloud.tenant.directory import ServicePrincipal
from local.cloud.tenant.first_party import ALL, GRAPH, GRAPH_ROLES, OWNER_TENANT, FirstParty

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure


def settle(world: LocalAzure) -> None:
    """Puts Microsoft's service principals into the directory, as every tenant has them."""
    for application in ALL:
        principal = _principal(world, application)
        world.directory.service_principals[principal.id] = principal


def _principal(world: LocalAzure, application: FirstParty) -> ServicePrincipal:
    return ServicePrincipal(
        # From the tenant, so that it is the same after every reset without drawing on chance.
        id=str(uuid.uuid5(uuid.UUID(application.app_id), world.tenant_id)),
        app_id=application.app_id,
        created=world.clock.now(),
        properties={
            "appDisplayName": application.name,
            "displayName": application.name,
            "accountEnabled": True,
            "appOwnerOrganizationId": OWNER_TENANT,
            "appRoleAssignmentRequired": False,
            "servicePrincipalNames": [*application.uris, application.app_id],
            "servicePrincipalType": "Application",
            "signInAudience": "AzureADMultipleOrgs",
            "appRoles": [_role(*role) for role in GRAPH_ROLES.items()] if application.app_id == GRAPH else [],
        },
    )


def _role(value: str, role_id: str) -> dict[str, Any]:
    return {
        "id": role_id,
        "value": value,
        "displayName": value,
        "description": f"The application permission {value}.",
        "allowedMemberTypes": ["Application"],
        "isEnabled": True,
        "origin": "Application",
    }
