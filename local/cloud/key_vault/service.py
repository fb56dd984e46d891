"""Key Vault as the server sees it: its names, which answer that there is no Key Vault yet."""

from __future__ import annotations

from dataclasses import dataclass

from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.local_azure import LocalAzure

_ENDPOINT = Endpoint(hosts=("*.vault.azure.net",))


@dataclass(frozen=True, slots=True)
class KeyVault:
    """``*.vault.azure.net``."""

    name: str = "key_vault"
    endpoint: Endpoint = _ENDPOINT
    routes: tuple[Route[LocalAzure], ...] = ()

    def error(self, status: int, code: str, message: str) -> Reply:
        """Key Vault's shape."""
        return Reply(status, {"error": {"code": code, "message": message}})

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Nothing to add."""
        return reply

    def state(self, world: LocalAzure) -> Json:
        """No secret can be stored."""
        return {"vault_secrets": []}
