"""Requests past the library's own: they are answered, and fail, as the library's are."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest

from shared.cloud.connections import PlainRequest, azure_transport

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Name: v\r\n\r\nbody"
PACKED = gzip.compress(b"body")


@dataclass
class Service:
    """Answers every request on a connection with the same octets."""

    octets: bytes | None
    asked: list[bytes] = field(default_factory=list)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the client leaves, or after half an answer."""
        self.connections += 1
        while request := await reader.read(65536):
            self.asked.append(request)
            if self.octets is not None:
                writer.write(self.octets)
                if self.octets != WHOLE:
                    break
        self.left.set()
        writer.close()


@asynccontextmanager
async def served(octets: bytes | None) -> AsyncIterator[tuple[Service, str]]:
    """The service and its address."""
    service = Service(octets)
    server = await asyncio.start_server(service.take, "127.0.0.1", 0)
    try:
        yield service, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/t()?$filter=a%20eq%20%27b%27"
    finally:
        server.close()


async def test_an_answer_is_whole_and_its_connection_is_used_again() -> None:
    """For the next request, with what that one says."""
    async with served(WHOLE) as (service, address), azure_transport() as transport:
        for method, content in (("GET", None), ("POST", b"{}")):
            answer = await transport.send(PlainRequest(method, address, {"x-ms-version": "1"}, content))
            assert (200, b"body", "body", "v") == (
                answer.status_code,
                answer.content,
                answer.text(),
                answer.headers.get("x-name"),
            )
    assert (2, 1) == (len(service.asked), service.connections)
    assert all(b"x-ms-version: 1\r\n" in each for each in service.asked)
    assert service.asked[1].endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    ("octets", "status", "content"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", 200, b"body"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(PACKED), PACKED), 200, b"body"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ],
    ids=["a redirection", "in parts", "packed", "nothing"],
)
async def test_an_answer_is_read_as_the_library_reads_it(octets: bytes, status: int, content: bytes) -> None:
    """A token must not travel: no redirection is followed."""
    async with served(octets) as (_, address), azure_transport() as transport:
        for request in (PlainRequest("GET", address, {}), HttpRequest("GET", address)):
            answer = await transport.send(request)
            assert (status, content) == (answer.status_code, answer.content)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "octets",
    [b"", b"HTTP/1.1 200", b"\0\1\2\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None],
    ids=["nothing", "half a line", "no HTTP", "half a body", "no service"],
)
async def test_a_failure_is_named_as_the_library_names_it(octets: bytes | None, method: str) -> None:
    """Whoever writes tells by the name whether the request may have arrived."""
    async with served(octets) as (_, address), azure_transport() as transport:
        asked = address if octets is not None else "http://127.0.0.1:1/"
        named = [await _failure(transport, each) for each in (PlainRequest(method, asked, {}), HttpRequest(method, asked))]
    assert named[0] is named[1]


async def _failure(transport: Any, request: Any) -> type[AzureError]:
    with pytest.raises(AzureError) as caught:
        await transport.send(request)
    return caught.type


async def test_a_request_that_is_given_up_leaves_no_connection() -> None:
    """Its answer would be taken for that of the next."""
    async with served(None) as (service, address), azure_transport() as transport:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await transport.send(PlainRequest("GET", address, {}))
        async with asyncio.timeout(5):
            await service.left.wait()
