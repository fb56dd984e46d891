"""The broker's own identity: a managed identity, named by its client id, and the tokens that it holds.

azure-identity keeps tokens but asks once for every caller that meets an empty cache, and once again for each when a token is
half-way through its life. ``HeldTokens`` asks once for all, and renews behind their backs. A token may be good by its dates and
refused all the same, when the key that signed it was withdrawn: it is replaced as soon as a service says so (``replace``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from shared.cloud.upstream import seconds_to_wait
from shared.core.errors import LeaseholdError, Misconfigured, Throttled, Unavailable, Unreachable
from shared.core.ports.system import Clock
from shared.resilience.single_flight import SingleFlight

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport

_MARGIN = 300.0
"""Seconds before its end at which a token is no longer handed out: a call takes time, and clocks differ."""
_RENEWAL_PAUSE = 30.0
"""Seconds between attempts to renew a token that still works."""
_ANEW = "{}"
"""Claims that ask for nothing: azure-identity looks for no token in its cache when it is given any."""
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
    """The tokens for one scope. ``renew_at``, ``end`` and ``replaced_at`` in POSIX seconds."""

    asking: SingleFlight[AccessToken]
    token: AccessToken | None = None
    renew_at: float = 0.0
    end: float = 0.0
    withdrawn: str = ""
    """The token that was refused last; the endpoint or azure-identity may still have it."""
    replaced_at: float = -_RENEWAL_PAUSE
    taken: bool = False
    """Whether a service has taken the token since it replaced another."""
    refused_since: datetime | None = None
    """Since when services have refused a token that was fresh."""


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

    async def replace(self, refused: str, *scopes: str) -> str | None:
        """Another token for these scopes, after a service has answered 401 to ``refused``.

        ``None`` when there is none to try: the one that was asked for last is refused as well, and was so a moment ago.
        """
        held, now = self._of(scopes), self._clock.now()
        if held.token is not None:
            if held.token.token != refused:
                return held.token.token
            if not held.taken and now.timestamp() < held.replaced_at + _RENEWAL_PAUSE:
                held.refused_since = held.refused_since or now
                return None
            held.token, held.withdrawn, held.taken, held.replaced_at = None, refused, False, now.timestamp()
        fresh = (await held.asking.outcome()).token
        if fresh == refused:
            held.refused_since = held.refused_since or now
            return None
        return fresh

    def was_taken(self, token: str, *scopes: str) -> None:
        """Notes that a service has answered something else than 401."""
        held = self._held.get(scopes)
        if held is not None and held.token is not None and held.token.token == token:
            held.taken, held.refused_since = True, None

    @property
    def refused(self) -> Mapping[str, datetime]:
        """The services that refuse the identity, by the scopes of their tokens, and since when."""
        since = {" ".join(scopes): held.refused_since for scopes, held in self._held.items()}
        return {scope: at for scope, at in since.items() if at is not None}

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
        held = self._held[scopes]
        anew = held.withdrawn != ""
        token = await (self._ask(scopes, claims=_ANEW) if anew else self._ask(scopes))
        if not anew and token.token == held.withdrawn:
            # It was refused while this was under way.
            token = await self._ask(scopes, claims=_ANEW)
        now = self._clock.now().timestamp()
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
