"""A world with a vault, and a client of it, without a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.key_vault.service import KeyVault
from tests.local.arm.calls import GROUP, Azure

AUDIENCE = "https://vault.azure.net"
HOST = "one.vault.azure.net"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/one"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
READER = "21090545-7ca7-4776-b22c-e363652d74d2"
ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
QUERY = {"api-version": "7.4", "maxresults": "1"}


@dataclass(slots=True)
class Vault:
    """The vault ``one``."""

    azure: Azure = field(default_factory=Azure)
    service: KeyVault = field(default_factory=KeyVault)

    def __post_init__(self) -> None:
        """Makes it."""
        self.azure.resource(VAULT, "Microsoft.KeyVault/vaults")

    def holder(self, role: str = SECRETS_USER, scope: str = VAULT, condition: str | None = None) -> str:
        """A principal with this role; its object id."""
        made = self.azure.principal()
        self.azure.grant(made, role, scope, condition)
        return made

    def listed(self, by: str, query: dict[str, str] | None = None, **claims: Any) -> Reply:
        """Asks for a list of secrets as this principal."""
        token = self.azure.token(by, **{"audience": AUDIENCE, **claims})
        return self.send("GET", "/secrets", QUERY if query is None else query, {"authorization": f"Bearer {token}"})

    def send(self, method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> Reply:
        """Sends exactly this, by the vault's name unless the headers say otherwise."""
        call = HttpRequest(method, path, query, {"host": HOST, **headers}, b"", f"https://{headers.get('host', HOST)}")
        return handle(self.azure.world, self.service, call)[1]
