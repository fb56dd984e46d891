"""A service of Azure's that answers as told, for adapters that call it through httpx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from azure.core.credentials import AccessToken

type Step = httpx.Response | Exception


def refused(
    status: int, code: str = "", *, finer: str = "", headers: Mapping[str, str] | None = None, text: str = "because"
) -> httpx.Response:
    """An error in Graph's shape."""
    error: dict[str, Any] = {"code": code, "message": text, "innerError": {"request-id": "r-1"}}
    if finer:
        error["details"] = [{"code": finer, "message": text, "target": "it"}]
    return httpx.Response(status, json={"error": error}, headers={"request-id": "r-1", **(headers or {})})


@dataclass
class Scripted:
    """Answers each call with the next step, and keeps the calls."""

    steps: list[Step] = field(default_factory=list)
    calls: list[httpx.Request] = field(default_factory=list)

    def will(self, *steps: Step) -> Self:
        """Plans the answers."""
        self.steps.extend(steps)
        return self

    def client(self) -> httpx.AsyncClient:
        """A client that reaches this and nothing else."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    @property
    def lines(self) -> list[str]:
        """Method and target of each call."""
        return [f"{call.method} {call.url.raw_path.decode()}" for call in self.calls]

    def body(self, index: int = -1) -> Any:
        """A call's body."""
        return json.loads(self.calls[index].content)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


class Bearer:
    """A credential that always has a token."""

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.options: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token ``bearer-of-tests``, or the failure that was planned."""
        self.scopes.append(scopes)
        self.options.append(options)
        if self.failure:
            raise self.failure
        return AccessToken("bearer-of-tests", 4_000_000_000)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
