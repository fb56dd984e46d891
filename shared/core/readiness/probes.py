"""Probes: addresses of Azure's own hosts that a fresh credential reads, to show that it works there. Pure.

The token of a credential goes to no other host. So a probe's address is read strictly, and its host must be one of the cloud's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.core.names import Unparsable

MAX_PROBES = 4
MAX_EXPECTED = 8
LEAST_STATUS, MOST_STATUS = 200, 499
MAX_URL = 2048
STORAGE_RESOURCE = "https://storage.azure.com"
"""The resource of tokens for Azure Storage, in every cloud:
https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory#microsoft-entra-resource-id"""
_URL = re.compile(r"https://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)/(?P<rest>[!-~]*)", re.ASCII)
"""No port, no user, no capital letter in the host, and a path: there is one way to read it."""
_RESOURCE = re.compile(r"https://[a-z0-9-]+(?:\.[a-z0-9-]+)+/?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9-]{3,63}", re.ASCII)


class HostKind(StrEnum):
    """The service of a host."""

    BLOB = "blob"
    QUEUE = "queue"
    TABLE = "table"
    DFS = "dfs"
    VAULT = "vault"
    RESOURCE_MANAGER = "arm"

    @property
    def is_storage(self) -> bool:
        """Whether it is one of Azure Storage's."""
        return self in _STORAGE


_STORAGE = (HostKind.BLOB, HostKind.QUEUE, HostKind.TABLE, HostKind.DFS)


@dataclass(frozen=True, slots=True)
class DataHosts:
    """The cloud's own hosts: ``<account>.blob.<storage_suffix>``, ``<vault>.<vault_suffix>``, and Resource Manager's."""

    storage_suffix: str = "core.windows.net"
    vault_suffix: str = "vault.azure.net"
    resource_manager: str = "management.azure.com"

    def kind_of(self, host: str) -> HostKind | None:
        """Returns the service of the host, or ``None`` if it is not one of the cloud's: no token goes there."""
        if host == self.resource_manager:
            return HostKind.RESOURCE_MANAGER
        for kind in _STORAGE:
            if _is_below(host, f"{kind}.{self.storage_suffix}"):
                return kind
        return HostKind.VAULT if _is_below(host, self.vault_suffix) else None

    def resource_of(self, kind: HostKind) -> str:
        """Returns the resource of tokens for the service."""
        if kind.is_storage:
            return STORAGE_RESOURCE
        return f"https://{self.vault_suffix if kind is HostKind.VAULT else self.resource_manager}"

    def blob(self, account: str) -> str:
        """Returns the host of the account's blobs."""
        return f"{account.lower()}.{HostKind.BLOB}.{self.storage_suffix}"

    def vault(self, name: str) -> str:
        """Returns the host of a vault."""
        return f"{name.lower()}.{self.vault_suffix}"


@dataclass(frozen=True, slots=True)
class ReadyProbe:
    """A probe as a role's document declares it. ``covers`` are places in ``azure_roles``; ``None`` for those of its service."""

    url: str
    resource: str
    expect: tuple[int, ...] = (200,)
    covers: tuple[int, ...] | None = None
    covered: tuple[int, ...] = ()
    """The places that it covers, found out when the role was written."""

    @property
    def host(self) -> str:
        """The host of its address."""
        return host_of(self.url)


def host_of(url: str) -> str:
    """Returns the host of an address that ``probe_url`` has returned; empty for any other text."""
    found = _URL.fullmatch(url)
    return found["host"] if found else ""


def probe_url(text: str) -> str:
    """Returns the address of a probe. Raises ``Unparsable``."""
    found = _URL.fullmatch(text)
    if found is None or "#" in text or "\\" in text or len(text) > MAX_URL:
        raise Unparsable(
            "expected an address such as https://account.blob.core.windows.net/c?restype=container&comp=list, of at most"
            f" {MAX_URL} visible ASCII characters, without port, user, fragment, backslash, and capital letters in the host"
        )
    return text


def probe_resource(text: str) -> str:
    """Returns the resource of a token, without a slash at its end. Raises ``Unparsable``."""
    if _RESOURCE.fullmatch(text) is None:
        raise Unparsable(f"expected the resource of a token, such as {STORAGE_RESOURCE}")
    return text.removesuffix("/")


def _is_below(host: str, suffix: str) -> bool:
    """Returns whether the host is one label and the suffix."""
    label, dot, rest = host.partition(".")
    return bool(dot) and rest == suffix and _LABEL.fullmatch(label) is not None
