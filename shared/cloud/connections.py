"""The connections of a worker: one pool for httpx (Graph, Entra ID) and one for Azure's own clients (everything else).

Whoever asks for a pool owns it: it is made once, shared by all that need one, and closed once.
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
"""For which any call waits for its answer, whatever time its work has left."""
_POOL = 100
_KEEP_ALIVE_SECONDS = 60.0


def httpx_client(*, kept: int = _POOL) -> httpx.AsyncClient:
    """A pool of up to 100 kept connections; of none where every call is to open one of its own.

    It takes no cookies: Entra ID's would pin every call to one of its replicas. It follows no redirects: no service that the
    broker calls answers with one, and a token must not travel.
    """
    import httpx  # noqa: PLC0415 - 0.1 s, which a sweep with nothing due has no use for

    return httpx.AsyncClient(
        # The machine's own authorities, as for the other pool. httpx would read a list twice, at 0.1 s each.
        verify=ssl.create_default_context(),
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=kept, keepalive_expiry=_KEEP_ALIVE_SECONDS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        headers={"User-Agent": "leasehold"},
        event_hooks={"request": [_no_longer_than_its_work]},
    )


async def _no_longer_than_its_work(request: httpx.Request) -> None:
    timeout = request.extensions["timeout"]
    request.extensions["timeout"] = timeout | {"read": seconds_left(timeout["read"])}


def seconds_left(at_most: float) -> float:
    """For how long an answer is waited for: as long as the work has that wants it. A service that takes a call and is silent
    would else keep a caller for half a minute a call.
    """
    return max(_LEAST_SECONDS, min(at_most, priority.current().answer_deadline - SystemClock().monotonic()))


def azure_transport(*, read_seconds: float = READ_SECONDS) -> InTime:
    """What every client of Azure's SDK is given as ``transport``. Close this, not the clients: each would close it for all."""
    from shared.cloud.azure_connections import InTime  # noqa: PLC0415 - aiohttp costs 0.2 s

    return InTime(read_seconds=read_seconds)


@dataclass(slots=True)
class PlainRequest:
    """A request of what speaks a service's protocol itself."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None = None


@dataclass(slots=True)
class PlainAnswer:
    """The whole answer to it."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    def text(self) -> str:
        """The content, as the library's answers have it."""
        return self.content.decode(errors="replace")
