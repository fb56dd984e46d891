"""The addresses of tables and queues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from shared.core.names import ObjectId, Unparsable
from shared.core.secret import Secret
from shared.settings.addresses import endpoint
from shared.settings.reader import Reader

STORAGE = "AzureWebJobsStorage"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_PARTS = ("__tableServiceUri", "__queueServiceUri", "__accountName", "__clientId", "__credential")


@dataclass(frozen=True, slots=True)
class Storage:
    """Tables and queues have one connection string, or an endpoint each and an identity.

    ``client_id`` names the identity. ``None`` means the broker's own.
    """

    connection_string: Secret | None = None
    table_endpoint: str = ""
    queue_endpoint: str = ""
    client_id: ObjectId | None = None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section as the Functions host does: https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection."""
        _warn(reader)
        given = {key: reader.told(f"{STORAGE}{key}") for key in ("", *_PARTS)}
        if given[""]:
            return cls(connection_string=Secret(given[""]))
        client = _client(reader, given["__clientId"])
        if given["__credential"].lower() not in {"", "managedidentity"}:
            reader.refuse(f"{STORAGE}__credential: expected managedidentity", required=True)
        try:
            return cls(table_endpoint=_of("table", given), queue_endpoint=_of("queue", given), client_id=client)
        except Unparsable as wrong:
            reader.refuse(str(wrong), required=True)
            return cls()


def _client(reader: Reader, text: str) -> ObjectId | None:
    try:
        return ObjectId.parse(text) if text else None
    except Unparsable as wrong:
        reader.refuse(f"{STORAGE}__clientId: {wrong}", required=True)
        return None


def _of(service: str, given: Mapping[str, str]) -> str:
    part = f"__{service}ServiceUri"
    if uri := given[part]:
        try:
            return endpoint(uri)
        except Unparsable as wrong:
            raise Unparsable(f"{STORAGE}{part}: {wrong}") from wrong
    account = given["__accountName"]
    if not account:
        raise Unparsable(f"{STORAGE}: is required, or {STORAGE}__accountName, or {STORAGE}{part}")
    if _ACCOUNT.fullmatch(account) is None:
        raise Unparsable(f"{STORAGE}__accountName: expected 3 to 24 letters a-z and digits")
    return f"https://{account}.{service}.core.windows.net"


def _warn(reader: Reader) -> None:
    """Warns if an account's name stands beside addresses: the Functions host uses the name, and looks in the public cloud.

    See ``StorageClientProvider`` in https://github.com/Azure/azure-sdk-for-net.
    """
    addresses = [name for name in reader.environment if name.startswith(f"{STORAGE}__") and name.endswith("ServiceUri")]
    if reader.told(f"{STORAGE}__accountName") and any(reader.told(name) for name in addresses):
        reader.warnings.append(
            f"{STORAGE}__accountName stands beside {STORAGE}__...ServiceUri: the broker takes the addresses, the Functions "
            "host takes the name and looks for it in the public cloud. Remove the name."
        )
