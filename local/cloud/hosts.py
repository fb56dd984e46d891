"""Which service a call on the common TLS port is for: by the public cloud's names, else by path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.wire import Call, Reply, Route, Service

if TYPE_CHECKING:
    from local.cloud.world import World

NAMES = {
    "login.microsoftonline.com": "entra",
    "login.microsoft.com": "entra",
    "login.windows.net": "entra",
    "sts.windows.net": "entra",
    "graph.microsoft.com": "graph",
    "management.azure.com": "arm",
    "management.core.windows.net": "arm",
}
_PATHS = {
    "v1.0": "graph",
    "beta": "graph",
    "subscriptions": "arm",
    "providers": "arm",
    "tenants": "arm",
    "metadata": "arm",
}


@dataclass(frozen=True, slots=True)
class KeyVault:
    """Key Vault's names, which answer that there is no Key Vault yet."""

    name: str = "key_vault"
    routes: tuple[Route, ...] = ()

    def error(self, status: int, code: str, message: str) -> Reply:
        """Key Vault's shape."""
        return Reply(status, {"error": {"code": code, "message": message}})

    def finish(self, world: World, call: Call, reply: Reply) -> Reply:
        """Nothing to add."""
        return reply


def choose(services: Mapping[str, Service], call: Call) -> Service:
    """The service that this call is for."""
    host = call.headers.get("host", "").rsplit(":", 1)[0].lower()
    if host.endswith(".vault.azure.net"):
        return services["key_vault"]
    first = call.path.lstrip("/").split("/", 1)[0].lower()
    return services[NAMES.get(host) or _PATHS.get(first, "entra")]
