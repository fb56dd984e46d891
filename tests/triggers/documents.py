"""Documents of the four types, and calls that write and read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fakes.world import EXISTING, GROUPS, SCOPES, SUBSCRIPTION
from tests.triggers.app import Answer, App

ADMIN = "admin.token.x"
READERS: dict[str, Any] = {"rules": [{"path": "roles/web/leases", "capabilities": ["issue"]}]}
WRITERS: dict[str, Any] = {"rules": [{"path": "roles/web", "capabilities": ["read", "write"]}]}
STAFF: dict[str, Any] = {"bound_group_ids": [GROUPS[0]], "policies": []}
ROBOTS: dict[str, Any] = {"bound_app_roles": ["Robot"], "policies": []}
PRINCIPALS: dict[str, Any] = {
    "type": "service_principal",
    "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}],
    "bound_app_roles": ["Deployer"],
}
SITES = f"{SCOPES[0]}/providers/Microsoft.Web/sites/*"
GONE_SITES: dict[str, Any] = {
    "source": f"/subscriptions/{SUBSCRIPTION}",
    "types": ["Microsoft.Resources.ResourceDeleteSuccess"],
    "subject": SITES,
    "action": {"revoke": {"of": "scope"}},
}


@dataclass(frozen=True, slots=True)
class Type:
    """A type of documents: its path, the field of its list, two documents, and its name in operations and codes."""

    path: str
    field: str
    one: dict[str, Any]
    other: dict[str, Any]
    name: str

    def at(self, name: str) -> str:
        """The address of one document."""
        return f"/api/v1/{self.path}/{name}"


ROLES = Type("roles", "roles", PRINCIPALS, {**PRINCIPALS, "ttl": 120}, "role")
AUTH_ROLES = Type("auth-roles", "auth_roles", STAFF, ROBOTS, "auth_role")
POLICIES = Type("policies", "policies", READERS, WRITERS, "policy")
EVENT_RULES = Type("event-rules", "event_rules", GONE_SITES, {**GONE_SITES, "enabled": False}, "event_rule")
TYPES = (ROLES, AUTH_ROLES, POLICIES, EVENT_RULES)
SECRET: dict[str, Any] = {"type": "application_secret", "application_object_id": EXISTING}


async def put(app: App, of: Type, name: str, document: Any, *, token: str = ADMIN, **more: Any) -> Answer:
    """Writes a document."""
    return await app.call("PUT", of.at(name), token=token, body=document, **more)


async def get(app: App, of: Type, name: str, **more: Any) -> Answer:
    """Reads a document."""
    return await app.call("GET", of.at(name), **{"token": ADMIN, **more})


async def delete(app: App, of: Type, name: str, *, token: str = ADMIN, **more: Any) -> Answer:
    """Deletes a document."""
    return await app.call("DELETE", of.at(name), token=token, **more)
