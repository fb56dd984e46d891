"""The connections of Azure's own clients. They cost 0.2 s to import: ``shared.cloud.connections`` does, when they are wanted.

What speaks a service's protocol itself sends a ``PlainRequest``. That goes straight to the connections: the library's own
request and answer took a third of the processor's time of a read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies

import aiohttp
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
    """Waits no longer than the work that asks."""

    def __init__(self, *, read_seconds: float = READ_SECONDS) -> None:
        super().__init__(
            connection_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            # Told to heed the environment, aiohttp looks it up at every request, for a proxy and for a .netrc, in a thread
            # each: an eighth of the time that an issue takes apart from waiting for Azure.
            use_env_settings=bool(getproxies().keys() - {"no"}),
        )
        self._read_seconds = read_seconds

    async def send(self, request: Any, **options: Any) -> Any:
        """The answer to a request of the library's, or to a plain one. Raises ``AzureError`` where there is none."""
        seconds = seconds_left(self._read_seconds)
        if isinstance(request, PlainRequest):
            return await self._plainly(request, seconds)
        return await super().send(request, **{"read_timeout": seconds, **options})

    async def _plainly(self, request: PlainRequest, seconds: float) -> PlainAnswer:
        if self.session is None:
            await self.open()
        with _as_the_library_says():
            # Left early, by a failure or a cancellation, the connection is closed and not kept.
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


@contextmanager
def _as_the_library_says() -> Iterator[None]:
    """Names failures as ``AioHttpTransport`` does: whoever sends tells by them whether a request may have arrived."""
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
