"""The connections of a worker: one pool for httpx (Graph, Entra ID) and one for Azure's own clients (everything else).

The caller owns the pool: it makes the pool once, shares it among all that need one, and closes it once.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

from shared.cloud.system import SystemClock
from shared.resilience import priority

if TYPE_CHECKING:
    import httpx

    from shared.cloud.azure_connections import InTime

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
_LEAST_SECONDS = 1.0
"""Any call waits for its answer so long, however little time its work has left."""
_POOL = 100
_KEEP_ALIVE_SECONDS = 60.0


def httpx_client(*, pooled: int = _POOL) -> httpx.AsyncClient:
    """Returns a pool that keeps up to ``pooled`` connections. If that is 0, every call opens a connection of its own.

    The pool stores no cookies: Entra ID's would bind every call to one replica. It follows no redirects: no service that the
    broker calls redirects, and a token must not go anywhere else.
    """
    import httpx  # noqa: PLC0415 - 0.1 s, which a sweep with nothing due has no use for

    return httpx.AsyncClient(
        # The machine's own certificate authorities, as in the other pool. httpx would read a list twice, at 0.1 s each.
        verify=ssl.create_default_context(),
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=pooled, keepalive_expiry=_KEEP_ALIVE_SECONDS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        headers={"User-Agent": "leasehold"},
        event_hooks={"request": [_no_longer_than_its_work]},
    )


async def _no_longer_than_its_work(request: httpx.Request) -> None:
    timeout = request.extensions["timeout"]
    request.extensions["timeout"] = timeout | {"read": seconds_left(timeout["read"])}


def seconds_left(at_most: float) -> float:
    """Returns for how long to wait for an answer: for the time that its work has left, ``at_most`` so many seconds.

    Otherwise a service that accepts calls and does not answer would keep a caller for half a minute a call.
    """
    return max(_LEAST_SECONDS, min(at_most, priority.current().answer_deadline - SystemClock().monotonic()))


def azure_transport(*, read_seconds: float = READ_SECONDS, gateway: str = "", repeats: bool = True) -> InTime:
    """Returns the ``transport`` for all clients of Azure's SDK. Close the transport, not the clients.

    ``gateway``: an origin that takes the connections to all hosts, by their own names. Unless it ``repeats``, no request is
    ever sent twice.
    """
    from shared.cloud.azure_connections import InTime  # noqa: PLC0415 - aiohttp costs 0.2 s

    return InTime(read_seconds=read_seconds, gateway=gateway, repeats=repeats)


@dataclass(slots=True)
class PlainRequest:
    """A request of code that speaks a service's protocol itself."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None = None


@dataclass(slots=True)
class PlainAnswer:
    """The whole answer to a ``PlainRequest``."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    def text(self) -> str:
        """Returns the content as text. The library's answers have the same method."""
        return self.content.decode(errors="replace")
