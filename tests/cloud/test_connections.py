from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.rest import HttpRequest

from shared.cloud.connections import PlainRequest, azure_transport, httpx_client, seconds_left
from shared.resilience.priority import answer_deadline


async def test_the_pool_keeps_no_cookies() -> None:
    """Entra ID's cookies would pin every later call to one of its replicas."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"set-cookie": "x-ms-gateway-slice=estsfd; path=/; secure; httponly"})

    async with httpx_client() as client:
        client._transport = httpx.MockTransport(answer)
        await client.get("https://login.example/a")
        await client.get("https://login.example/b")
    assert [None, None] == [request.headers.get("cookie") for request in seen]


async def test_the_pool_follows_no_redirect() -> None:
    """A token must not travel."""
    async with httpx_client() as client:
        client._transport = httpx.MockTransport(
            lambda _: httpx.Response(302, headers={"location": "https://elsewhere.example"})
        )
        assert 302 == (await client.get("https://graph.example/")).status_code


async def test_the_pool_says_who_calls() -> None:
    """Whoever looks at Entra ID's logs finds the broker."""
    async with httpx_client() as client:
        assert "leasehold" == client.headers["User-Agent"]


async def test_both_pools_give_up_after_five_and_thirty_seconds() -> None:
    """To connect, and for an answer."""
    transport = azure_transport()
    async with httpx_client() as client:
        assert (5.0, 30.0) == (client.timeout.connect, client.timeout.read)
    assert (5.0, 30.0) == (transport.connection_config.timeout, transport.connection_config.read_timeout)


@pytest.mark.parametrize(
    ("environment", "heeded"),
    [
        ({}, False),
        ({"no_proxy": "127.0.0.1"}, False),
        ({"https_proxy": "http://proxy.example:8080"}, True),
        ({"HTTPS_PROXY": "http://proxy.example:8080", "no_proxy": "127.0.0.1"}, True),
    ],
)
async def test_the_environment_is_heeded_only_where_it_names_a_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, heeded: bool
) -> None:
    """To look for one at every request costs more than the request."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with azure_transport() as transport:
        assert transport.session is not None
        assert heeded == transport.session.trust_env


class Silent:
    """A service that takes every call and answers none."""

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()


async def _by_httpx(address: str) -> None:
    async with httpx_client() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(address)


async def _by_azures(address: str) -> None:
    async with azure_transport() as transport:
        with pytest.raises(ServiceResponseError):
            await transport.send(HttpRequest("GET", address))


async def _by_azures_plainly(address: str) -> None:
    async with azure_transport() as transport:
        with pytest.raises(ServiceResponseError):
            await transport.send(PlainRequest("GET", address, {}))


@pytest.mark.parametrize("asking", [_by_httpx, _by_azures, _by_azures_plainly])
@pytest.mark.parametrize(("left", "waited"), [(1.5, 1.5), (-60.0, 1.0)])
async def test_a_silent_service_keeps_nobody_for_longer_than_the_work_has_time(
    asking: Callable[[str], Awaitable[None]], left: float, waited: float
) -> None:
    """And a moment where there is none left: each of several calls may still be the one that is answered."""
    began = time.monotonic()
    async with Silent() as address:
        with answer_deadline(began + left):
            await asking(address)
    assert waited - 0.1 <= time.monotonic() - began < waited + 5


def test_work_without_an_end_waits_as_long_as_ever() -> None:
    """An earlier end stays in force within a later one."""
    assert 30.0 == seconds_left(30.0)
    now = time.monotonic()
    with answer_deadline(now + 5), answer_deadline(now + 20):
        assert 4 < seconds_left(30.0) <= 5
        assert 2.0 == seconds_left(2.0)
