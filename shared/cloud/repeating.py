"""What a service answers 401 is repeated once, with another token of the broker's own identity: for every service alike.

A client of Azure's SDK gets it with its transport (``Repeating.over``), Graph's calls use ``Repeating.send``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from azure.core.pipeline.transport import AsyncHttpTransport

from shared.cloud.entra.identity import HeldTokens
from shared.cloud.upstream import Refusal
from shared.core.errors import IdentityRefused

if TYPE_CHECKING:
    from types import TracebackType

    from azure.core.credentials_async import AsyncTokenCredential

STORAGE = "https://storage.azure.com/.default"
"""Of tables and queues, in every cloud:
https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory#microsoft-entra-authentication"""
_SCHEME = "Bearer "
_UNAUTHORIZED = 401
_TOO_MANY = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Told:
    """As much of an answer as matters here. ``token`` is the one that the request carried."""

    refusal: Refusal
    token: str
    proves: bool = True
    """Whether a success tells that the token was taken; a batch is answered before its parts are."""


@dataclass(frozen=True, slots=True)
class Repeating:
    """Calls to one service, whose tokens are for ``scope``. A credential that holds no tokens is left alone."""

    credential: AsyncTokenCredential
    scope: str

    async def send[Answer](self, once: Callable[[], Awaitable[Answer]], told: Callable[[Answer], Told]) -> Answer:
        """The answer, the second if the first was 401. ``once`` takes its token from the credential each time.

        Raises ``IdentityRefused`` when there is no other token, or that is refused as well.
        """
        answer = await once()
        if not await self.is_to_be_repeated(told(answer)):
            return answer
        answer = await once()
        if await self.is_to_be_repeated(told(answer)):
            raise _refused(told(answer))
        return answer

    async def is_to_be_repeated(self, told: Told) -> bool:
        """Whether it was 401 and there is another token now. Raises ``IdentityRefused`` when there is none."""
        tokens, status = self.credential, told.refusal.status
        if not isinstance(tokens, HeldTokens):
            return False
        if status != _UNAUTHORIZED:
            if told.proves and status < _SERVER_ERROR and status != _TOO_MANY:
                tokens.was_taken(told.token, self.scope)
            return False
        if await tokens.replace(told.token, self.scope) is None:
            raise _refused(told)
        return True

    def over(self, transport: AsyncHttpTransport[Any, Any]) -> AsyncHttpTransport[Any, Any]:
        """The transport for a client of Azure's SDK that signs in with the credential."""
        return _Transport(self, transport) if isinstance(self.credential, HeldTokens) else transport


def bearer_of(authorization: str | None) -> str:
    """The token in such a header."""
    return (authorization or "").removeprefix(_SCHEME)


def _refused(told: Told) -> IdentityRefused:
    return told.refusal.as_a(IdentityRefused)


class _Transport(AsyncHttpTransport[Any, Any]):
    """Sends what another transport sends, with the token that holds now: the SDK's clients keep former ones in memory."""

    def __init__(self, repeating: Repeating, transport: AsyncHttpTransport[Any, Any]) -> None:
        self._repeating = repeating
        self._transport = transport

    async def send(self, request: Any, **options: Any) -> Any:
        """One request, or two."""
        if not request.headers.get("Authorization", "").startswith(_SCHEME):
            return await self._transport.send(request, **options)

        async def once() -> Any:
            token = await self._repeating.credential.get_token(self._repeating.scope)
            request.headers["Authorization"] = f"{_SCHEME}{token.token}"
            return await self._transport.send(request, **options)

        return await self._repeating.send(once, lambda answer: _told(request, answer))

    async def open(self) -> None:
        """The other one's."""
        await self._transport.open()

    async def close(self) -> None:
        """The other one's."""
        await self._transport.close()

    async def sleep(self, duration: float) -> None:
        """The other one's."""
        await self._transport.sleep(duration)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        frames: TracebackType | None = None,
    ) -> None:
        await self._transport.__aexit__(kind, error, frames)


def _told(request: Any, answer: Any) -> Told:
    body = None
    if answer.status_code == _UNAUTHORIZED:
        with suppress(ValueError):
            body = json.loads(answer.text())
    refusal = Refusal.read(answer.status_code, answer.headers, body)
    return Told(refusal, bearer_of(request.headers["Authorization"]))
