"""Key Vault as the server sees it: its names, and what every reply carries."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from local.cloud.disturbances.profiles import HOME
from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.key_vault import errors, secrets
from local.cloud.local_azure import LocalAzure

_ENDPOINT = Endpoint(hosts=(f"*{secrets.DOMAIN}",))
_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class KeyVault:
    """``*.vault.azure.net``, and on a port of its own ``/{vault}``."""

    name: str = "key_vault"
    endpoint: Endpoint = _ENDPOINT
    routes: tuple[Route[LocalAzure], ...] = tuple(Route(method, "{path:path}", secrets.handle) for method in _METHODS)

    def error(self, status: int, code: str, message: str) -> Reply:
        """Key Vault's shape."""
        return errors.error(status, code, message)

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds the headers that were recorded on every reply."""
        headers = {
            "cache-control": "no-cache",
            "content-type": "application/json; charset=utf-8",
            "strict-transport-security": "max-age=31536000;includeSubDomains",
            "x-content-type-options": "nosniff",
            "x-ms-keyvault-network-info": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
            "x-ms-keyvault-region": HOME,
            "x-ms-keyvault-service-version": "1.9.2064.1",
            "x-ms-request-id": str(uuid.uuid4()),
            **reply.headers,
        }
        return replace(reply, headers=headers)

    def state(self, world: LocalAzure) -> Json:
        """No secret can be stored."""
        return {"vault_secrets": []}
