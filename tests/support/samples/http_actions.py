"""How a service of Azure's that calls HTTP does it for its users: who it is, what it repeats, how it follows a 202."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

FASTER = 50
"""So many times faster than the service that is played."""
_REPEATED = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
type Tokens = Callable[[str], Awaitable[str]]
"""A token of the service's managed identity for a resource."""


async def pause(seconds: float) -> None:
    """Lets so many seconds of the played service's pass."""
    await asyncio.sleep(seconds / FASTER)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and after how many seconds a request is repeated. Each pause is ``growth`` times the one before."""

    count: int
    interval: float
    growth: float = 1.0
    least: float = 0.0
    most: float = 3600.0


@dataclass(slots=True)
class Action:
    """One action: an ask, its repeats, and the polls that follow it. It knows nothing of the broker's bodies."""

    http: httpx.AsyncClient
    tokens: Tokens
    resource: str | None
    """What its own identity's tokens are for; without one it sends the headers that it is given alone."""
    retries: Retries
    limit: float
    """Seconds for each request."""
    poll_every: float
    """Seconds, where no ``Retry-After`` says otherwise."""
    follows: bool = True
    signs_polls: bool = True
    """Whether its identity's token goes with the polls as well."""
    seen: list[int] = field(default_factory=list)

    async def run(self, method: str, url: str, headers: dict[str, str], body: Any = None) -> httpx.Response:
        """The last answer. A 202 with a ``Location`` is followed; the ask's own headers are not sent there.

        Raises ``httpx.HTTPError`` for a request without an answer.
        """
        reply = await self._repeated(method, url, headers, body, signed=True)
        while self.follows and reply.status_code == httpx.codes.ACCEPTED and "location" in reply.headers:
            location = httpx.URL(reply.headers["location"])
            if not location.is_absolute_url:
                raise httpx.UnsupportedProtocol(f"the address {location} is not absolute")
            await pause(float(reply.headers.get("retry-after", self.poll_every)))
            reply = await self._repeated("GET", str(location), {}, None, signed=self.signs_polls)
        return reply

    async def _repeated(self, method: str, url: str, headers: dict[str, str], body: Any, *, signed: bool) -> httpx.Response:
        wait = self.retries.interval
        for left in reversed(range(self.retries.count + 1)):
            given = dict(headers)
            if self.resource is not None and signed:
                given["Authorization"] = f"Bearer {await self.tokens(self.resource)}"
            reply = await self.http.request(method, url, headers=given, json=body, timeout=self.limit)
            self.seen.append(reply.status_code)
            if not left or not (reply.status_code in _REPEATED or reply.is_server_error):
                return reply
            await pause(float(reply.headers.get("retry-after", min(max(wait, self.retries.least), self.retries.most))))
            wait *= self.retries.growth
        raise AssertionError("the last request is answered or raises")
