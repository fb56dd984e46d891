"""Offers of another protocol: every port ignores them and answers the request, whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from local.host.process import FunctionHost
from tests.local.conftest import Cloud
from tests.local.host.hosting import DEADLINE, hosting

BODY = b'{"name": "value"}'
OFFERS = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n",
    "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
    "kept alive": "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "lower case": "connection: upgrade\r\nupgrade: TLS/1.0\r\n",
}
type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncIterator[FunctionHost]:
    """One host for all of these."""
    async with hosting() as running:
        yield running


@contextlib.asynccontextmanager
async def _opened(url: str, ca_bundle: str | None = None) -> AsyncIterator[Streams]:
    """A connection, and its end."""
    at = urlsplit(url)
    context = ssl.create_default_context(cafile=ca_bundle) if at.scheme == "https" else None
    reader, writer = await asyncio.open_connection(at.hostname, at.port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _head(method: str, path: str, offer: str, framing: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: local\r\n{offer}{framing}\r\n".encode()


async def _sent(streams: Streams, *segments: bytes) -> None:
    """Each in a TCP segment of its own, as far as a client can bring that about."""
    for segment in segments:
        streams[1].write(segment)
        await streams[1].drain()
        await asyncio.sleep(0.05)


async def _answer(streams: Streams) -> tuple[int, Any]:
    """Status and JSON body of the next answer."""
    async with asyncio.timeout(DEADLINE):
        head = (await streams[0].readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split()[1]), json.loads(await streams[0].readexactly(length) or b"null")


SPLITS = {"with its head": (BODY,), "later": (b"", BODY), "in pieces": (b"", BODY[:5], BODY[5:])}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS.keys())
async def test_the_function_gets_the_request_that_came_with_an_offer(
    host: FunctionHost, offer: str, split: tuple[bytes, ...]
) -> None:
    """Body and all, whichever segments it comes in; and the connection serves the next request, too."""
    async with _opened(host.url) as streams:
        head = _head("POST", "/echo/x", offer, f"Content-Length: {len(BODY)}\r\n")
        for _ in range(2):
            await _sent(streams, head + split[0], *split[1:])
            status, seen = await _answer(streams)
            assert (201, "POST", BODY.decode()) == (status, seen["method"], seen["body"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_chunked_body_comes_whole(host: FunctionHost) -> None:
    """The framing is the client's."""
    async with _opened(host.url) as streams:
        chunks = (b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:]))
        await _sent(streams, _head("POST", "/echo/x", OFFERS["h2c"], "Transfer-Encoding: chunked\r\n"), *chunks, b"0\r\n\r\n")
        status, seen = await _answer(streams)
        assert (201, BODY.decode()) == (status, seen["body"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_head_may_come_in_pieces(host: FunctionHost) -> None:
    """The offer is noticed only once the head is whole."""
    async with _opened(host.url) as streams:
        head = _head("POST", "/echo/x", OFFERS["h2c"], f"Content-Length: {len(BODY)}\r\n")
        await _sent(streams, *(head[at : at + 40] for at in range(0, len(head), 40)), BODY)
        status, seen = await _answer(streams)
        assert (201, BODY.decode()) == (status, seen["body"])


@pytest.mark.asyncio(loop_scope="module")
async def test_requests_sent_ahead_are_answered_in_order(host: FunctionHost) -> None:
    """One without an offer, one with, one without, all in one segment."""
    async with _opened(host.url) as streams:
        requests = (_head("GET", f"/echo/{name}", offer, "") for name, offer in (("a", ""), ("b", OFFERS["h2c"]), ("c", "")))
        await _sent(streams, b"".join(requests))
        answers = [await _answer(streams) for _ in range(3)]
        assert ["a", "b", "c"] == [seen["route"]["name"] for _, seen in answers]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_client_that_waits_for_100_gets_it(host: FunctionHost) -> None:
    """``Expect`` is no part of the offer."""
    async with _opened(host.url) as streams:
        framing = f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n"
        await _sent(streams, _head("POST", "/echo/x", OFFERS["h2c"], framing))
        assert (await streams[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await _sent(streams, BODY)
        assert (await _answer(streams))[1]["body"] == BODY.decode()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("octets", [b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_what_is_no_request_for_this_port_is_refused(host: FunctionHost, octets: bytes) -> None:
    """400, and the connection ends: a tunnel is an upgrade that cannot be ignored."""
    async with _opened(host.url) as streams:
        await _sent(streams, octets)
        async with asyncio.timeout(DEADLINE):
            assert (await streams[0].read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
@pytest.mark.parametrize("service", ["imds", "entra", "graph", "arm", "key_vault", "all_tls"])
async def test_every_port_of_the_local_cloud_answers(cloud: Cloud, service: str, offer: str) -> None:
    """As it would without the offer."""
    async with _opened(cloud.endpoints[service], cloud.ca_bundle) as streams:
        statuses = []
        for offered in ("", offer, offer):
            await _sent(streams, _head("GET", "/v1.0/applications", offered, ""))
            statuses.append((await _answer(streams))[0])
        assert statuses[0] not in (400, 500)
        assert 1 == len(set(statuses))


async def test_the_control_api_gets_the_body(cloud: Cloud) -> None:
    """It comes in a segment of its own."""
    async with _opened(cloud.control_url) as streams:
        body = json.dumps({"name": "offered"}).encode()
        await _sent(
            streams, _head("POST", "/_control/resource-groups", OFFERS["h2c"], f"Content-Length: {len(body)}\r\n"), body
        )
        assert (await _answer(streams))[0] in (200, 201)
