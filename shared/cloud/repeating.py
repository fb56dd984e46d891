"""If a service answers 401, the call is made once more with another token of the broker's own identity.

The rule holds for every service. A client of Azure's SDK follows it through its transport (``Repeating.over``). Graph's calls
ask ``Repeating.is_to_be_repeated``.
"""

from __future__ import annotations

import json
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
    """The parts of an answer that matter here. ``token`` is the token that the request carried."""

    refusal: Refusal
    token: str
    proves: bool = True
    """Whether a success proves that the service accepted the token. A batch is answered before its items are."""


@dataclass(frozen=True, slots=True)
class Repeating:
    """Calls to one service, whose tokens are for ``scope``. Calls with a credential that holds no tokens are not repeated."""

    credential: AsyncTokenCredential
    scope: str

    async def is_to_be_repeated(self, result: Told, *, repeated: bool = False) -> bool:
        """Returns whether the answer was 401 and the credential holds another token now. ``repeated``: it answers a repeat.

        Raises ``IdentityRefused`` if there is no other token, or if a repeat was answered 401 as well.
        """
        tokens, status = self.credential, result.refusal.status
        if not isinstance(tokens, HeldTokens):
            return False
        if status != _UNAUTHORIZED:
            if result.proves and status < _SERVER_ERROR and status != _TOO_MANY:
                tokens.was_taken(result.token, self.scope)
            return False
        if await tokens.replace(result.token, self.scope) is None or repeated:
            raise result.refusal.as_a(IdentityRefused)
        return True

    def over(self, transport: AsyncHttpTransport[Any, Any]) -> AsyncHttpTransport[Any, Any]:
        """Returns the transport for a client of Azure's SDK that signs in with the credential."""
        return _Transport(self, transport) if isinstance(self.credential, HeldTokens) else transport


def bearer_of(authorization: str | None) -> str:
    """Returns the token in an ``Authorization`` header."""
    return (authorization or "").removeprefix(_SCHEME)


class _Transport(AsyncHttpTransport[Any, Any]):
    """Sends requests over another transport, each with the token that holds now: the SDK's clients keep older ones."""

    def __init__(self, repeating: Repeating, transport: AsyncHttpTransport[Any, Any]) -> None:
        self._repeating = repeating
        self._transport = transport

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends the request, and sends it once more if it ``is_to_be_repeated``. Returns the last answer."""
        if not request.headers.get("Authorization", "").startswith(_SCHEME):
            return await self._transport.send(request, **options)
        repeated = False
        while True:
            token = await self._repeating.credential.get_token(self._repeating.scope)
            request.headers["Authorization"] = f"{_SCHEME}{token.token}"
            answer = await self._transport.send(request, **options)
            if not await self._repeating.is_to_be_repeated(_told(request, answer), repeated=repeated):
                return answer
            repeated = True

    async def open(self) -> None:
        """Opens the other transport."""
        await self._transport.open()

    async def close(self) -> None:
        """Closes the other transport."""
        await self._transport.close()

    async def sleep(self, duration: float) -> None:
        """Sleeps as the other transport does."""
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
