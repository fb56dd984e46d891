"""Microsoft Graph's own service principal: what its application permissions are assigned on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph.errors import GRAPH_APP_ID
from local.cloud.state import ServicePrincipal

if TYPE_CHECKING:
    from local.cloud.world import World

_OWNER = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The tenant that Microsoft's own applications live in."""

APPLICATION_PERMISSIONS = {
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "Application.ReadWrite.All": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    "Application.ReadWrite.OwnedBy": "18a4783c-866b-4cc7-a460-3d5e5662c884",
    "AppRoleAssignment.ReadWrite.All": "06b708a9-e830-4db3-a914-8e69da51d44f",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "Directory.ReadWrite.All": "19dbc75e-c2e2-444c-a770-ec69d8559fc7",
    "Group.Create": "bf7b1a76-6e77-406b-b258-bf5c7720e98f",
    "Group.Read.All": "5b567255-7703-4780-807c-7be8301ae99b",
    "Group.ReadWrite.All": "62a82d76-70ea-41e2-9197-370581804d09",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "GroupMember.ReadWrite.All": "dbaae8cf-10b5-4b86-a4a1-f871c94c6695",
    "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
    "RoleManagement.ReadWrite.Directory": "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.ReadWrite.All": "741f803b-c850-494e-b5df-cde7c675a1ca",
}
"""Ids of the permissions that the local Graph evaluates, the same in every tenant:
https://learn.microsoft.com/graph/permissions-reference."""


def service_principal(world: World) -> ServicePrincipal:
    """Microsoft Graph's service principal in this tenant, made on first use."""
    found = world.directory.principal_of(GRAPH_APP_ID)
    if found is not None:
        return found
    item = ServicePrincipal(
        id=world.guid(),
        app_id=GRAPH_APP_ID,
        created=world.clock.now(),
        properties={
            "displayName": "Microsoft Graph",
            "appDisplayName": "Microsoft Graph",
            "appOwnerOrganizationId": _OWNER,
            "signInAudience": "AzureADMultipleOrgs",
            "servicePrincipalNames": ["https://graph.microsoft.com", GRAPH_APP_ID],
            "appRoles": [_role(value, role_id) for value, role_id in APPLICATION_PERMISSIONS.items()],
        },
    )
    world.directory.service_principals[item.id] = item
    return item


def _role(value: str, role_id: str) -> dict[str, object]:
    return {
        "allowedMemberTypes": ["Application"],
        "description": value,
        "displayName": value,
        "id": role_id,
        "isEnabled": True,
        "origin": "Application",
        "value": value,
    }
