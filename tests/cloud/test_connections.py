from __future__ import annotations

import httpx
import pytest

from shared.cloud.connections import azure_transport, httpx_client


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
