"""Which Azure the broker works in, and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.core.names import ObjectId
from shared.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class Azure:
    """Endpoints have no slash at their end."""

    tenant_id: ObjectId
    client_id: ObjectId
    """Of the managed identity that the broker acts as."""
    authority: str
    graph_endpoint: str
    arm_endpoint: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The endpoints are those of the public cloud where the operator names no others."""
        return cls(
            tenant_id=own_tenant(reader),
            client_id=own_client(reader),
            authority=reader.endpoint("AUTHORITY", "https://login.microsoftonline.com"),
            graph_endpoint=reader.endpoint("GRAPH_ENDPOINT", "https://graph.microsoft.com"),
            arm_endpoint=reader.endpoint("ARM_ENDPOINT", "https://management.azure.com"),
        )


def own_tenant(reader: Reader) -> ObjectId:
    """The broker's own."""
    return reader.required("TENANT_ID", ObjectId.parse, ObjectId(""))


def own_client(reader: Reader) -> ObjectId:
    """The client id of the managed identity that the broker acts as."""
    return reader.required("CLIENT_ID", ObjectId.parse, ObjectId(""))
