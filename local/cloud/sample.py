"""The sample that every local cloud starts with: a small tenant around one broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud import provision
from local.cloud.arm import builtin_roles

if TYPE_CHECKING:
    from local.cloud.world import World

BROKER = "leasehold"
GRAPH_PERMISSIONS = (
    # Applications and service principals of its own making (and those it is made an owner of), with their secrets.
    "Application.ReadWrite.OwnedBy",
    # Who a caller is: the service principal of any managed identity.
    "Application.Read.All",
    # Memberships that a lease grants, and those of callers with too many groups for a token.
    "GroupMember.ReadWrite.All",
)
_GIVE_ROLES = ("Owner", "User Access Administrator", "Role Based Access Control Administrator")
_NEVER = ", ".join(role.name for role in builtin_roles.ALL if role.role_name in _GIVE_ROLES)
_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
ASSIGNMENTS = " AND ".join(
    f"((!(ActionMatches{{'{_ASSIGNMENT}/{action}'}})) OR ("
    f"@{side}[{_ASSIGNMENT}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {{'ServicePrincipal'}}"
    f" AND @{side}[{_ASSIGNMENT}:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {{{_NEVER}}}))"
    for action, side in (("write", "Request"), ("delete", "Resource"))
)
"""What a deployed broker's right to assign roles is bound to: service principals, and no role that could give roles."""


def furnish(world: World) -> None:
    """Fills a world that holds Microsoft's own applications and nothing else."""
    provision.resource_group(world, "app")
    data = provision.resource_group(world, "data")
    _broker_api(world)
    broker_id = f"{data.id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{BROKER}"
    broker = provision.identity(world, BROKER, "user_assigned", broker_id)
    for permission in GRAPH_PERMISSIONS:
        provision.app_role(world, provision.holder(world, broker.object_id), permission)
    subscription = f"/subscriptions/{world.subscription_id}"
    provision.role_assignment(
        world, broker.object_id, "Role Based Access Control Administrator", subscription, condition=ASSIGNMENTS
    )
    _people(world)
    provision.application(world, "legacy", owners=[broker.object_id])
    provision.group(world, "readers")


def _broker_api(world: World) -> None:
    """The API that callers of the broker ask tokens for: version 1 tokens, whose audience is the identifier URI."""
    api, _ = provision.application(world, "Leasehold")
    api.properties |= {
        "identifierUris": [f"api://{api.app_id}"],
        "api": {"requestedAccessTokenVersion": None, "oauth2PermissionScopes": [_scope(world, "access")]},
        "appRoles": [_role(world, "Leasehold.Admin"), _role(world, "Leasehold.Auditor")],
        "groupMembershipClaims": "SecurityGroup",
        "optionalClaims": {
            "accessToken": [{"name": "idtyp", "source": None, "essential": False, "additionalProperties": []}],
            "idToken": [],
            "saml2Token": [],
        },
    }
    world.directory.broker_app_id = api.app_id


def _role(world: World, value: str) -> dict[str, Any]:
    return {
        "id": world.guid(),
        "value": value,
        "displayName": value,
        "description": f"{value} of the broker.",
        "allowedMemberTypes": ["User", "Application"],
        "isEnabled": True,
        "origin": "Application",
    }


def _scope(world: World, value: str) -> dict[str, Any]:
    return {
        "id": world.guid(),
        "value": value,
        "type": "Admin",
        "isEnabled": True,
        "adminConsentDisplayName": "Call Leasehold",
        "adminConsentDescription": "Calls Leasehold as the person who is signed in.",
        "userConsentDisplayName": None,
        "userConsentDescription": None,
    }


def _people(world: World) -> None:
    admin = provision.identity(world, "admin", "application")
    provision.app_role(world, provision.holder(world, admin.object_id), "Leasehold.Admin")
    auditor = provision.identity(world, "auditor", "application")
    provision.app_role(world, provision.holder(world, auditor.object_id), "Leasehold.Auditor")
    provision.identity(world, "vm-web", "system_assigned")
    provision.identity(world, "fn-orders", "user_assigned")
    provision.identity(world, "stranger", "user_assigned")
