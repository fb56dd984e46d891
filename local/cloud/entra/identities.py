"""The claims that a named identity's own token would have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.engine.errors import InputError
from local.cloud.engine.tokens import issuers_of
from local.cloud.entra import claims

if TYPE_CHECKING:
    from local.cloud.entra.resources import Resource
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Identity


def in_tenant(stated: dict[str, Any], tenant_id: str) -> dict[str, Any]:
    """The same claims, as another tenant would make them where the API is a multi-tenant application."""
    first, second = issuers_of(tenant_id)
    moved = {"tid": tenant_id, "iss": first if stated["ver"] == "1.0" else second}
    return stated | moved | ({"idp": first} if "idp" in stated else {})


def in_too_many_groups(stated: dict[str, Any]) -> dict[str, Any]:
    """The same claims, as if the groups were too many for a token."""
    rest = {name: value for name, value in stated.items() if name != "groups"}
    return rest | claims.overage(str(stated["tid"]), str(stated["oid"]))


def stated(world: LocalAzure, identity: Identity, resource: Resource) -> dict[str, Any]:
    """What Entra ID would say of this identity to this resource; raises ``InputError`` when it no longer exists."""
    user = world.directory.users.get(identity.object_id)
    if user is not None and user.deleted is None:
        return claims.of_user(world, user, resource)
    principal = world.directory.service_principals.get(identity.object_id)
    if principal is None or principal.deleted is not None:
        raise InputError(f"{identity.name} has been deleted")
    if principal.kind == "ManagedIdentity":
        return claims.of_application(world, principal, resource, "2", claims.MANAGED_IDENTITY_LIFETIME)
    return claims.of_application(world, principal, resource, "1")
