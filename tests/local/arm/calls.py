"""A furnished world and a client of its Azure Resource Manager, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from local.cloud.arm.service import Arm
from local.cloud.engine.clock import Clock
from local.cloud.engine.http import HttpRequest, Refusal, Reply, find
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import ServicePrincipal
from local.cloud.tenant.resources import Resource, RoleAssignment
from tests.local.ticking import Ticking

TENANT = "10000000-0000-4000-8000-000000000001"
SUBSCRIPTION = "20000000-0000-4000-8000-000000000002"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{ROOT}/resourceGroups/app"
STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one"
VERSION = "2022-04-01"
AUDIENCE = "https://management.azure.com"

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
ACCESS_ADMIN = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
RBAC_ADMIN = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
VAULT_ADMIN = "8b54135c-b56d-4d72-a534-26097cfdc8d8"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"


@dataclass(slots=True)
class Azure:
    """One world with a subscription, a group, a storage account, and an owner of the subscription."""

    clock: Ticking = field(default_factory=Ticking)
    arm: Arm = field(default_factory=Arm)
    world: LocalAzure = field(init=False)
    owner: str = field(init=False)

    def __post_init__(self) -> None:
        """Furnishes the world."""
        self.world = LocalAzure(TENANT, SUBSCRIPTION, Clock(self.clock))
        self.resource(GROUP, "Microsoft.Resources/resourceGroups")
        self.resource(STORE, "Microsoft.Storage/storageAccounts")
        self.owner = self.principal()
        self.grant(self.owner, OWNER, ROOT)

    def resource(self, path: str, kind: str, **properties: Any) -> str:
        """Makes a resource, whatever holds it; its id."""
        self.world.tree.resources[path.casefold()] = Resource(path, kind, "westeurope", properties=properties)
        return path

    def principal(self, object_id: str | None = None) -> str:
        """Makes a service principal; its object id."""
        made = object_id or self.world.guid()
        self.world.directory.service_principals[made] = ServicePrincipal(made, f"app-of-{made}", self.clock.at, {})
        return made

    def grant(self, principal: str, role: str, scope: str, condition: str | None = None, name: str | None = None) -> str:
        """Assigns a role without asking anybody; the assignment's name."""
        made = name or self.world.guid()
        definition = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
        self.world.tree.role_assignments[made] = RoleAssignment(
            made,
            scope,
            definition,
            principal,
            "ServicePrincipal",
            self.clock.at,
            self.clock.at,
            self.owner,
            self.owner,
            condition,
            "2.0" if condition else None,
        )
        return made

    def token(self, principal: str, audience: str = AUDIENCE, lifetime: float = 3600, **claims: Any) -> str:
        """An access token of this principal."""
        now = int(self.clock.at)
        return self.world.tokens.issue(
            {
                "aud": audience,
                "iss": f"https://sts.windows.net/{TENANT}/",
                "nbf": now,
                "iat": now,
                "exp": now + lifetime,
                "oid": principal,
                "sub": principal,
                "appid": f"app-of-{principal}",
                "ver": "1.0",
                **claims,
            }
        )

    def call(
        self, method: str, path: str, body: object = None, *, by: str | None = None, version: str = VERSION, **query: str
    ) -> Reply:
        """Calls as this principal (the owner by default)."""
        headers = {"authorization": f"Bearer {self.token(by or self.owner)}"}
        fields = {"api-version": version, **{f"${name}": value for name, value in query.items()}}
        return self.send(method, path, body, headers, fields)

    def send(
        self, method: str, path: str, body: object, headers: dict[str, str], query: dict[str, str], origin: str = ""
    ) -> Reply:
        """Sends exactly this, through routes and finish."""
        content = b"" if body is None else json.dumps(body).encode()
        found = find(self.arm.routes, method, path)
        assert found is not None
        route, params = found
        call = HttpRequest(method, path, query, headers, content, origin or "https://arm.local:8443", params)
        try:
            reply = route.handler(self.world, call)
        except Refusal as refused:
            reply = refused.reply
        return self.arm.finish(self.world, call, reply)

    def assign(self, principal: str, role: str = READER, scope: str = GROUP, **options: Any) -> Reply:
        """PUTs a role assignment; ``properties``, ``name``, ``by`` and ``version`` are optional."""
        name = options.pop("name", None) or self.world.guid()
        properties = {
            "roleDefinitionId": f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{role}",
            "principalId": principal,
            **options.pop("properties", {}),
        }
        return self.call("PUT", assignment(scope, name), {"properties": properties}, **options)


def assignment(scope: str, name: str) -> str:
    """The path of a role assignment."""
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"


def definition(scope: str, name: str) -> str:
    """The path of a role definition."""
    return f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{name}"


def code(reply: Reply) -> str:
    """The error's code; empty for a success."""
    return str(reply.body["error"]["code"]) if reply.status >= 400 and reply.body else ""


def outcome(reply: Reply) -> tuple[int, str]:
    """Status and error code."""
    return reply.status, code(reply)
