"""Where the cloud's other services are: what tools read, without a token, before they sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.cloud.arm.requests import query

if TYPE_CHECKING:
    from local.cloud.arm.settings import Settings
    from local.cloud.engine.http import HttpRequest, Json

_PUBLIC = "management.azure.com"
_AS_OBJECT = "2022-09-01"
"""Earlier versions answer a list with one cloud."""


def authority_of(call: HttpRequest, settings: Settings) -> str:
    """Entra ID's base URL: as set, else by the name and port that were called."""
    return settings.authority or _beside(call, "login.microsoftonline.com")


def render(call: HttpRequest, settings: Settings) -> Json | list[Json]:
    """The body of ``/metadata/endpoints``: the fields that azure-cli and Terraform's providers look at."""
    authority, manager, graph = authority_of(call, settings), _beside(call, _PUBLIC), _beside(call, "graph.microsoft.com")
    cloud: dict[str, Any] = {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": authority,
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": f"{manager}/",
        "microsoftGraphResourceId": f"{graph}/",
        "graphAudience": f"{graph}/",
        "graph": f"{graph}/",
        "suffixes": {"keyVaultDns": "vault.azure.net", "storage": "core.windows.net"},
    }
    return cloud if query(call, "api-version")[:10] >= _AS_OBJECT else [cloud]


def _beside(call: HttpRequest, name: str) -> str:
    """Another service's origin: the public cloud's names stand beside each other, any other origin has all services."""
    called = urlsplit(call.origin or f"https://{_PUBLIC}")
    port = f":{called.port}" if called.port else ""
    return f"https://{name}{port}" if called.hostname == _PUBLIC else call.origin
