"""Azure's built-in roles, as far as the local cloud knows them: identifiers and permissions are Azure's own.

Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

from collections.abc import Mapping

from local.cloud.rbac.builtin_data_roles import MESSAGING, SECURITY, STORAGE
from local.cloud.rbac.builtin_role import role
from local.cloud.rbac.builtin_workload_roles import OBSERVING, WORKLOADS
from local.cloud.tenant.resources import RoleDefinition

_CONTRIBUTOR_EXCEPT = (
    "Microsoft.Authorization/*/Delete",
    "Microsoft.Authorization/*/Write",
    "Microsoft.Authorization/elevateAccess/Action",
    "Microsoft.Blueprint/blueprintAssignments/write",
    "Microsoft.Blueprint/blueprintAssignments/delete",
    "Microsoft.Compute/galleries/share/action",
    "Microsoft.Purview/consents/write",
    "Microsoft.Purview/consents/delete",
    "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
    "Microsoft.Subscription/cancel/action",
    "Microsoft.Subscription/enable/action",
)

_GENERAL = (
    role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "Everything, role assignments included.", ("*",)),
    role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        "Everything, except access to it.",
        ("*",),
        excepted=_CONTRIBUTOR_EXCEPT,
    ),
    role("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "See all resources, change none.", ("*/read",)),
    role(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        "Decide who has access.",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    role(
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        "Assign roles, and nothing else of authorization.",
        (
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ),
    ),
    role(
        "8b54135c-b56d-4d72-a534-26097cfdc8d8",
        "Key Vault Data Access Administrator",
        "Assign and take away the roles for what key vaults hold.",
        (
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Resources/subscriptions/read",
            "Microsoft.Management/managementGroups/read",
            "Microsoft.Support/*",
            "Microsoft.KeyVault/vaults/*/read",
        ),
    ),
)

ALL: tuple[RoleDefinition, ...] = (*_GENERAL, *STORAGE, *SECURITY, *WORKLOADS, *OBSERVING, *MESSAGING)
BY_NAME: Mapping[str, RoleDefinition] = {item.name: item for item in ALL}
