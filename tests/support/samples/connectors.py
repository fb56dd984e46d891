"""Connectors of Logic Apps and of Power Automate, as far as the samples use them: each takes an action's inputs.

Key Vault: https://learn.microsoft.com/connectors/keyvault/#get-secret. Dataverse:
https://learn.microsoft.com/power-apps/maker/data-platform/environmentvariables-azure-key-vault-secrets
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.samples.http_actions import Tokens

type Connector = Callable[[dict[str, Any]], Awaitable[tuple[int, Any]]]
"""Gives status and body of what an action asks for."""
_SECRET = re.compile(r"/secrets/([^/]+)/value")
_KEY_VAULT = "https://vault.azure.net"


@dataclass(frozen=True, slots=True)
class KeyVault:
    """A connection to one vault that signs in with the managed identity of the logic app."""

    http: httpx.AsyncClient
    tokens: Tokens
    vault: str
    """Its address."""

    async def __call__(self, inputs: dict[str, Any]) -> tuple[int, Any]:
        """*Get secret*: the newest version, with the names of the connector."""
        found = _SECRET.fullmatch(inputs["path"])
        if found is None or inputs["method"] != "get":
            raise ValueError(inputs)
        name = urllib.parse.unquote(found[1])
        headers = {"authorization": f"Bearer {await self.tokens(_KEY_VAULT)}"}
        reply = await self.http.get(f"{self.vault}/secrets/{name}?api-version=7.4", headers=headers)
        if reply.is_error:
            return reply.status_code, {"status": reply.status_code, "message": reply.text}
        secret, attributes = reply.json(), reply.json()["attributes"]
        version = secret["id"].rpartition("/")[2]
        shown = {"name": name, "version": version, "contentType": secret["contentType"], "isEnabled": attributes["enabled"]}
        return 200, shown | {"value": secret["value"]}


@dataclass(frozen=True, slots=True)
class Dataverse:
    """An environment whose variables of type Secret have these values."""

    secrets: dict[str, str]

    async def __call__(self, inputs: dict[str, Any]) -> tuple[int, Any]:
        """*Perform an unbound action*."""
        asked = inputs["parameters"]
        if (inputs["host"]["operationId"], asked["actionName"]) != (
            "PerformUnboundAction",
            "RetrieveEnvironmentVariableSecretValue",
        ):
            raise ValueError(inputs)
        return 200, {"EnvironmentVariableSecretValue": self.secrets[asked["item/EnvironmentVariableName"]]}
