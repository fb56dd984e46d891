"""A world with a storage account, and a client of its blobs, without a network."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any

from local.cloud.blob.service import Blobs
from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.tenant.resources import Blob, Container
from tests.local.arm.calls import STORE, Azure

AUDIENCE = "https://storage.azure.com"
HOST = "one.blob.core.windows.net"
VERSION = "2021-08-06"
OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
LIST = {"restype": "container", "comp": "list"}
"""The query of a list of blobs."""


@dataclass(slots=True)
class Storage:
    """The account ``one``, with the containers ``reports`` and ``raw``."""

    azure: Azure = field(default_factory=Azure)
    blobs: Blobs = field(default_factory=Blobs)

    def __post_init__(self) -> None:
        """Fills the account."""
        self.fill("reports", **{"2026/may.txt": "may", "2026/june.txt": "june", "index": "all"})
        self.fill("raw", one="1")

    def fill(self, container: str, **texts: str) -> None:
        """Adds a container with these blobs."""
        now = self.azure.clock.at
        blobs = {name: Blob(text.encode(), "text/plain", now) for name, text in texts.items()}
        self.azure.world.tree.resources[STORE.casefold()].containers[container] = Container(now, blobs)

    def holder(self, role: str = READER, scope: str = STORE, condition: str | None = None) -> str:
        """A principal with this role; its object id."""
        made = self.azure.principal()
        self.azure.grant(made, role, scope, condition)
        return made

    def token(self, principal: str, audience: str = AUDIENCE, **claims: Any) -> str:
        """A token for storage."""
        return self.azure.token(principal, audience, **claims)

    def call(
        self,
        method: str,
        path: str,
        by: str,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """Calls as this principal, by the account's name."""
        sent = {"authorization": f"Bearer {self.token(by)}", "x-ms-version": VERSION, **(headers or {})}
        return self.send(method, path, sent, query, body)

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        query: dict[str, str] | None = None,
        body: bytes = b"",
        origin: str = "",
    ) -> Reply:
        """Sends exactly this."""
        address = origin or f"https://{headers.get('host', HOST)}"
        call = HttpRequest(method, path, query or {}, {"host": HOST, **headers}, body, address)
        return handle(self.azure.world, self.blobs, call)[1]

    def read(self, path: str, by: str) -> tuple[int, str]:
        """Reads a blob: status, and text or error code."""
        reply = self.call("GET", path, by)
        return reply.status, reply.body.decode() if reply.status == 200 else code(reply)

    def listed(self, container: str, by: str, **query: str) -> list[str] | tuple[int, str]:
        """The names of a container's blobs, or status and error code."""
        reply = self.call("GET", f"/{container}", by, {**LIST, **query})
        return names(reply, "Blob") if reply.status == 200 else (reply.status, code(reply))


def document(reply: Reply) -> ET.Element:
    """The answer's XML, which begins with a byte order mark as Azure's does."""
    assert reply.body.startswith(b"\xef\xbb\xbf<?xml")
    return ET.fromstring(reply.body.decode("utf-8-sig"))


def names(reply: Reply, kind: str) -> list[str]:
    """The names in a list."""
    return [str(found.findtext("Name")) for found in document(reply).iter(kind)]


def code(reply: Reply) -> str:
    """The error's code, which header and body agree on."""
    found = str(document(reply).findtext("Code"))
    assert found == reply.headers["x-ms-error-code"]
    return found
