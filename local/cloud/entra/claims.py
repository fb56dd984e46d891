"""What Entra ID says in an access token, for each kind of caller and each version.

Shapes: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference, and recorded tokens.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING, Any, Literal

from local.cloud.tenant.first_party import AZURE_CLI

if TYPE_CHECKING:
    from local.cloud.entra.resources import Resource
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import AppRoleAssignment, ServicePrincipal, User

type Proof = Literal["0", "1", "2"]
"""How the client proved who it is: not at all (public), with a secret, with a key."""

EARLY = 300
"""Seconds by which ``nbf`` and ``iat`` lie before the moment of issue: ``exp - nbf`` is 3,900 or 86,700 in recordings."""
APP_LIFETIME = 3600
MANAGED_IDENTITY_LIFETIME = 86400
GROUPS_IN_TOKEN = 200
"""More groups than this are not listed: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference."""


def of_application(
    world: LocalAzure, principal: ServicePrincipal, resource: Resource, proof: Proof, lifetime: int = APP_LIFETIME
) -> dict[str, Any]:
    """An app-only token's claims: of an application or a managed identity."""
    claims = _common(world, resource, lifetime) | {
        **_client(resource, principal.app_id, proof),
        "oid": principal.id,
        "sub": principal.id,
    }
    if resource.version == 1:
        claims["idp"] = world.tokens.issuers[0]
    if resource.states_app_only:
        claims["idtyp"] = "app"
    if principal.resource_id is not None and resource.names_resource:
        claims["xms_mirid"] = principal.resource_id.replace("/resourceGroups/", "/resourcegroups/")
    return claims | _roles(held(world, principal), resource) | _groups(world, principal.id, resource)


def of_user(world: LocalAzure, user: User, resource: Resource) -> dict[str, Any]:
    """A person's token's claims, as signed in with a password through Azure's command line."""
    name = user.properties.get("displayName") or ""
    upn = user.properties.get("userPrincipalName") or ""
    claims = _common(world, resource, APP_LIFETIME) | {
        **_client(resource, AZURE_CLI, "0"),
        "name": name,
        "oid": user.id,
        "scp": " ".join(resource.scopes),
        "sub": _pairwise(user.id, resource.app_id),
    }
    if resource.version == 1:
        claims |= {"acr": "1", "amr": ["pwd"], "ipaddr": "127.0.0.1", "unique_name": upn, "upn": upn}
        claims |= {
            "given_name": user.properties.get("givenName") or name,
            "family_name": user.properties.get("surname") or name,
        }
    else:
        claims["preferred_username"] = upn
    return claims | _roles(user.app_roles, resource) | _groups(world, user.id, resource)


def held(world: LocalAzure, principal: ServicePrincipal) -> list[AppRoleAssignment]:
    """The application permissions that this replica knows of: a fresh one comes late, one taken away stays for a while."""
    gone = (role for holder, role in world.ghosts.of("app_role") if holder == principal.id)
    return [role for role in (*principal.app_roles, *gone) if world.consistency.sees("entra", "app_role", role.id)]


def _common(world: LocalAzure, resource: Resource, lifetime: int) -> dict[str, Any]:
    now = int(world.clock.now())
    return {
        "aud": resource.audience,
        "iss": world.tokens.issuers[resource.version - 1],
        "iat": now - EARLY,
        "nbf": now - EARLY,
        "exp": now + lifetime,
        "aio": base64.b64encode(secrets.token_bytes(32)).decode(),
        "rh": f"1.A{secrets.token_urlsafe(32)}.",
        "tid": world.tenant_id,
        "uti": secrets.token_urlsafe(16),
        "ver": f"{resource.version}.0",
    }


def _client(resource: Resource, app_id: str, proof: Proof) -> dict[str, str]:
    return {"appid": app_id, "appidacr": proof} if resource.version == 1 else {"azp": app_id, "azpacr": proof}


def _roles(held: list[AppRoleAssignment], resource: Resource) -> dict[str, Any]:
    values = sorted({role.value for role in held if role.resource_app_id == resource.app_id and role.value})
    return {"roles": values} if values else {}


def _groups(world: LocalAzure, object_id: str, resource: Resource) -> dict[str, Any]:
    found = memberships(world, object_id) if resource.states_groups else []
    if len(found) > GROUPS_IN_TOKEN:
        return overage(world.tenant_id, object_id)
    return {"groups": found} if found else {}


def overage(tenant_id: str, object_id: str) -> dict[str, Any]:
    """What stands instead of groups in the token of whoever is in too many: where they can be asked for."""
    endpoint = f"https://graph.windows.net/{tenant_id}/users/{object_id}/getMemberObjects"
    return {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": endpoint}}}


def memberships(world: LocalAzure, object_id: str) -> list[str]:
    """Object ids of the groups that this member is in, directly or through other groups."""
    found: list[str] = []
    pending = [object_id]
    while pending:
        member = pending.pop()
        direct = [g.id for g in world.directory.groups.values() if g.deleted is None and member in g.members]
        pending += (fresh := [group for group in direct if group not in found])
        found += fresh
    return found


def _pairwise(object_id: str, app_id: str) -> str:
    """A person's subject differs from client to client and says nothing of the object id."""
    digest = hashlib.sha256(uuid.UUID(object_id).bytes + app_id.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
