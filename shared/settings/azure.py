"""The cloud and the tenant in which the broker works, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from shared.core.names import ObjectId, Unparsable
from shared.settings.reader import Reader

_PUBLIC = "login.microsoftonline.com"
_EXCHANGES = {_PUBLIC: "", "login.microsoftonline.us": "USGov", "login.partner.microsoftonline.cn": "China"}
"""What the audience of assertions ends with, by the host of Entra ID in that cloud.
https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud"""


@dataclass(frozen=True, slots=True)
class Azure:
    """Endpoints have no slash at their end."""

    tenant_id: ObjectId
    client_id: ObjectId
    """The client id of the managed identity as which the broker acts."""
    authority: str
    graph_endpoint: str
    arm_endpoint: str
    grant_to_users: bool
    """Whether the condition of the broker's own right to assign roles lets it assign them to users."""

    @property
    def token_issuer(self) -> str:
        """The ``iss`` of Entra ID's tokens of version 2 in this tenant. If Entra is on this machine, the public cloud's."""
        host = urlsplit(self.authority).hostname or ""
        return f"https://{host if host in _EXCHANGES else _PUBLIC}/{self.tenant_id}/v2.0"

    @property
    def token_exchange(self) -> str:
        """The audience of assertions: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity."""
        return f"api://AzureADTokenExchange{_EXCHANGES.get(urlsplit(self.authority).hostname or '', '')}"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. By default, the endpoints are those of the public cloud."""
        return cls(
            tenant_id=own_tenant(reader),
            client_id=own_client(reader),
            authority=reader.endpoint("AUTHORITY", "https://login.microsoftonline.com"),
            graph_endpoint=reader.endpoint("GRAPH_ENDPOINT", "https://graph.microsoft.com"),
            arm_endpoint=arm_endpoint(reader),
            grant_to_users=reader.optional("GRANT_TO_USERS", _truth) or False,
        )


def own_tenant(reader: Reader) -> ObjectId:
    """Returns the broker's own tenant."""
    return reader.required("TENANT_ID", ObjectId.parse, ObjectId(""))


def own_client(reader: Reader) -> ObjectId:
    """Returns the client id of the managed identity as which the broker acts."""
    return reader.required("CLIENT_ID", ObjectId.parse, ObjectId(""))


def arm_endpoint(reader: Reader) -> str:
    """Returns the address of Resource Manager."""
    return reader.endpoint("ARM_ENDPOINT", "https://management.azure.com")


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Unparsable("expected true or false")
    return text == "true"
