"""Calling the broker and the control API from outside, as a given identity: for the demo, the sample and the benchmarks."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from types import TracebackType

_POLL = 2.0
"""Seconds. Whoever waits here wants to be told soon, and disturbs nobody else."""
_TIMEOUT = httpx.Timeout(240.0, connect=5.0)


@dataclass(slots=True)
class Visitor:
    """One HTTP client that trusts the local cloud, and the tokens that it was given."""

    control_url: str
    ca_bundle: str
    http: httpx.AsyncClient = field(init=False)
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        """Opens the client."""
        trusted = ssl.create_default_context(cafile=self.ca_bundle)
        limits = httpx.Limits(max_connections=None)
        self.http = httpx.AsyncClient(verify=trusted, trust_env=False, timeout=_TIMEOUT, limits=limits)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.http.aclose()

    async def control(self, method: str, path: str = "", body: Any = None) -> Any:
        """Calls the control API and gives its answer's JSON; raises ``httpx.HTTPStatusError`` on an error."""
        reply = await self.http.request(method, f"{self.control_url}/{path}".rstrip("/"), json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    async def token(self, identity: str, audience: str) -> str:
        """An access token of a named identity for that audience, asked for once."""
        if (identity, audience) not in self._tokens:
            answer = await self.control("POST", "token", {"identity": identity, "resource": audience})
            self._tokens[identity, audience] = answer["access_token"]
        return self._tokens[identity, audience]


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker's API, called with one bearer token."""

    visitor: Visitor
    url: str
    token: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One call below ``/api/v1``; answers of every status are returned."""
        given = {"authorization": f"Bearer {self.token}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return await self.visitor.http.request(method, f"{self.url}/api/v1/{path}", json=body, headers=given)

    async def must(self, method: str, path: str, body: Any = None) -> Any:
        """The same; raises ``httpx.HTTPStatusError`` on an error and gives the answer's JSON.

        If the answer is 202 and says where the credential will be, follows it there.
        """
        reply = await self.call(method, path, body)
        while reply.status_code == httpx.codes.ACCEPTED and "next" in (given := reply.json()):
            await asyncio.sleep(_POLL)
            reply = await self.call("GET", given["next"]["url"].partition("/api/v1/")[2])
        if reply.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {reply.status_code} {reply.text}", request=reply.request, response=reply
            )
        return reply.json() if reply.content else None
