"""The cloud and the tenant in which the broker works, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.core.names import ObjectId, Unparsable
from shared.settings.reader import Reader


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
