"""The broker's own identity: a managed identity, named by its client id, and the tokens that it holds.

azure-identity keeps tokens but asks once for every caller that meets an empty cache, and once again for each when a token is
half-way through its life. ``HeldTokens`` asks once for all, and renews behind their backs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from shared.cloud.single_flight import SingleFlight
from shared.cloud.upstream import seconds_to_wait
from shared.core.errors import LeaseholdError, Misconfigured, Throttled, Unavailable, Unreachable
from shared.core.ports import Clock

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport

_MARGIN = 300.0
"""Seconds before its end at which a token is no longer handed out: a call takes time, and clocks differ."""
_RENEWAL_PAUSE = 30.0
"""Seconds between attempts to renew a token that still works."""
_BEING_UPDATED = (404, 410)
"""How the machine's endpoint answers meanwhile:
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling"""
_RETRIES = 2
"""Azure's endpoint on the machine itself is allowed a hiccup; the rest of the patience is the broker's own."""


def broker_credential(client_id: str, *, transport: AioHttpTransport, clock: Clock) -> HeldTokens:
    """The managed identity with this client id, wherever Functions offers it. Nothing else is tried.

    (``DefaultAzureCredential`` would: it could find a developer's own login.)
    """
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - 0.2 s, on first use

    return HeldTokens(ManagedIdentityCredential(client_id=client_id, transport=transport, retry_total=_RETRIES), clock)


@dataclass(slots=True)
class _Held:
    """The tokens for one scope. ``renew_at`` and ``end`` in POSIX seconds."""

    asking: SingleFlight[AccessToken]
    token: AccessToken | None = None
    renew_at: float = 0.0
    end: float = 0.0


class HeldTokens:
    """An ``AsyncTokenCredential`` that keeps the tokens of another.

    Raises the broker's own errors: ``Throttled``, ``Unavailable``, ``Unreachable``, ``Misconfigured``.
    """

    def __init__(self, credential: AsyncTokenCredential, clock: Clock) -> None:
        self._credential = credential
        self._clock = clock
        self._held: dict[tuple[str, ...], _Held] = {}

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,  # noqa: ARG002 - part of the protocol; a managed identity has no use for it
        **_: Any,
    ) -> AccessToken:
        """A token that lasts for five minutes at least. ``claims`` (a challenge's) asks for a fresh one."""
        if claims is not None:
            return await self._ask(scopes, claims=claims, tenant_id=tenant_id)
        held = self._of(scopes)
        now = self._clock.now().timestamp()
        if held.token is None or now >= held.end:
            return await held.asking.outcome()
        if now >= held.renew_at:
            held.renew_at = now + _RENEWAL_PAUSE
            held.asking.in_background()
        return held.token

    async def close(self) -> None:
        """Closes what the credential holds."""
        await self._credential.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _of(self, scopes: tuple[str, ...]) -> _Held:
        held = self._held.get(scopes)
        if held is None:
            held = _Held(SingleFlight(lambda: self._renew(scopes), f"a token for {' '.join(scopes)}"))
            self._held[scopes] = held
        return held

    async def _renew(self, scopes: tuple[str, ...]) -> AccessToken:
        token = await self._ask(scopes)
        held, now = self._held[scopes], self._clock.now().timestamp()
        held.token = token
        held.end = max(now, token.expires_on - _MARGIN)
        held.renew_at = now + (held.end - now) / 2
        return token

    async def _ask(self, scopes: tuple[str, ...], **options: Any) -> AccessToken:
        try:
            return await self._credential.get_token(*scopes, **options)
        except AzureError as error:
            raise token_failure(error) from error


def token_failure(error: AzureError) -> LeaseholdError:
    """What it means that a managed identity got no token. Nothing has reached the service that the token was for."""
    answered = _answer_behind(error)
    if answered is not None and answered.status_code is not None:
        return _by_answer(answered, answered.status_code)
    if _is_silence(error) or _is_silence(error.__cause__):
        return Unreachable(f"no token: {error.message}")
    return Misconfigured(f"no token: {error.message}")


def _by_answer(error: HttpResponseError, status: int) -> LeaseholdError:
    cause = f"no token: {error.message}"
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return Throttled(cause, status=status, retry_after=seconds_to_wait(getattr(error.response, "headers", {})))
    if status >= 500 or status in _BEING_UPDATED:  # noqa: PLR2004 - a server's error
        return Unavailable(cause, status=status)
    return Misconfigured(cause)


def _answer_behind(error: BaseException | None) -> HttpResponseError | None:
    while error is not None:
        if isinstance(error, HttpResponseError) and error.status_code is not None:
            return error
        error = error.__cause__
    return None


def _is_silence(error: BaseException | None) -> bool:
    return isinstance(error, ServiceRequestError | ServiceResponseError)
