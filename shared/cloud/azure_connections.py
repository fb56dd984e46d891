"""The connections of Azure's own clients. Importing them takes 0.2 s: ``shared.cloud.connections`` does it on demand.

Code that speaks a service's protocol itself sends a ``PlainRequest``. A plain request goes straight to the connections: the
library's own requests and answers took a third of the processor time of a read.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from azure.core.exceptions import (
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AioHttpTransport

from shared.cloud.connections import CONNECT_SECONDS, READ_SECONDS, PlainAnswer, PlainRequest, seconds_left


class InTime(AioHttpTransport):  # type: ignore[misc]  # azure-core loads it lazily, without a type
    """Waits no longer for an answer than the work may that needs the answer."""

    session: Any

    def __init__(self, *, read_seconds: float = READ_SECONDS, gateway: str = "", repeats: bool = True) -> None:
        super().__init__(
            connection_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            # With this, aiohttp looks a proxy and a .netrc up for each request, in a thread each. That takes an eighth of the
            # time of an issue, apart from waiting for Azure.
            use_env_settings=bool(getproxies().keys() - {"no"}),
        )
        self._read_seconds = read_seconds
        self._gateway = gateway
        self._repeats = repeats
        self._is_open = False

    async def open(self) -> None:
        """Opens the connections. Those to hosts behind a gateway go there: the host's name stays in the request and in TLS."""
        if self._gateway and not self._is_open:
            trusted = ssl.create_default_context()
            connector = aiohttp.TCPConnector(resolver=_Gateway(self._gateway), ttl_dns_cache=None, ssl=trusted)
            self.session = aiohttp.ClientSession(
                connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        self._is_open = True
        await super().open()
        if not self._repeats:
            # aiohttp sends a PUT again if the connection is lost before the answer (RFC 9112, 9.3.1). It has no public setting.
            self.session._retry_connection = False  # noqa: SLF001

    async def send(self, request: Any, **options: Any) -> Any:
        """Returns the answer to a request of the library's, or to a plain one. Raises ``AzureError`` if there is none."""
        seconds = seconds_left(self._read_seconds)
        if not isinstance(request, PlainRequest):
            return await super().send(request, **{"read_timeout": seconds, **options})
        if self.session is None:
            await self.open()
        with _as_the_library_says():
            # If a failure or a cancellation leaves this block early, the connection is closed and not kept.
            async with self.session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.content,
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=seconds),
                allow_redirects=False,
                auto_decompress=True,
            ) as answer:
                return PlainAnswer(answer.status, answer.headers, await answer.read())


class _Gateway(AbstractResolver):
    """Every host has the address of the gateway."""

    def __init__(self, origin: str) -> None:
        found = urlsplit(origin)
        self._host, self._port = found.hostname or "", found.port or 443
        self._resolver = ThreadedResolver()

    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - that of the gateway counts
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        """Returns the gateway's addresses for the host."""
        found = await self._resolver.resolve(self._host, self._port, family)
        return [ResolveResult(**{**each, "hostname": host}) for each in found]

    async def close(self) -> None:
        """Keeps nothing."""


@contextmanager
def _as_the_library_says() -> Iterator[None]:
    """Names failures as ``AioHttpTransport`` does. By their names, callers decide whether a request may have arrived."""
    try:
        yield
    except aiohttp.ClientPayloadError as error:
        raise IncompleteReadError(error, error=error) from error
    except aiohttp.ClientResponseError as error:
        raise ServiceResponseError(error, error=error) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise ServiceRequestTimeoutError(error, error=error) from error
    except TimeoutError as error:
        raise ServiceResponseTimeoutError(error, error=error) from error
    except aiohttp.ClientError as error:
        raise ServiceRequestError(error, error=error) from error
