"""The broker's own identity: a managed identity, named by its client id, and its tokens.

azure-identity caches tokens. But if the cache is empty, or a token is half-way through its life, it asks once for each caller.
``HeldTokens`` asks once for all callers, and renews tokens in the background. If the key that signed a token was withdrawn,
services refuse the token although it has not expired. It is replaced as soon as a service refuses it (``replace``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
"""A token is not handed out in its last seconds: a call takes time, and clocks differ."""
_RENEWAL_PAUSE = 30.0
"""Seconds between attempts to renew a token that still works."""
_ANEW = "{}"
"""Claims that ask for nothing. If azure-identity is given any claims, it does not look in its cache."""
_BEING_UPDATED = (404, 410)
"""The machine's endpoint answers so while it is updated:
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling"""
_RETRIES = 2
"""For Azure's endpoint on the machine itself. Further repeats are the broker's decision."""


def _nothing() -> None:
    """For who does not ask."""


def broker_credential(
    client_id: str, *, transport: AioHttpTransport, clock: Clock, accepted: Callable[[], None] = _nothing
) -> HeldTokens:
    """Returns the managed identity with this client id, and tries nothing else.

    (``DefaultAzureCredential`` would: it could find a developer's own login.)
    """
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - 0.2 s, on first use

    credential = ManagedIdentityCredential(client_id=client_id, transport=transport, retry_total=_RETRIES)
    return HeldTokens(credential, clock, accepted)


@dataclass(slots=True)
class _Held:
    """The tokens for one scope. ``renew_at``, ``end`` and ``replaced_at`` in POSIX seconds."""

    asking: SingleFlight[AccessToken]
    token: AccessToken | None = None
    renew_at: float = 0.0
    end: float = 0.0
    withdrawn: str = ""
    """The token that was refused last. The endpoint or azure-identity may still return it."""
    replaced_at: float = -_RENEWAL_PAUSE
    taken: bool = False
    """Whether a service has accepted the token since it replaced another."""
    refused_since: datetime | None = None
    """The instant since which services have refused a fresh token."""


class HeldTokens:
    """An ``AsyncTokenCredential`` that keeps the tokens of another.

    Raises the broker's own errors: ``Throttled``, ``Unavailable``, ``Unreachable``, ``Misconfigured``.
    """

    def __init__(self, credential: AsyncTokenCredential, clock: Clock, accepted: Callable[[], None] = _nothing) -> None:
        """``accepted`` is called when a service takes a token again that has refused fresh ones."""
        self._credential = credential
        self._clock = clock
        self._accepted = accepted
        self._held: dict[tuple[str, ...], _Held] = {}

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,  # noqa: ARG002 - part of the protocol, and of no use to a managed identity
        **_: Any,
    ) -> AccessToken:
        """Returns a token that lasts for five minutes at least. With ``claims`` (a challenge's), asks for a fresh one."""
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
        """Returns another token for these scopes, after a service has answered 401 to ``refused``.

        Returns ``None`` if there is no other to try: the token that was asked for last was refused a moment ago.
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
        """Notes that a service has not answered 401 to this token."""
        held = self._held.get(scopes)
        if held is not None and held.token is not None and held.token.token == token:
            was_refused = held.refused_since is not None
            held.taken, held.refused_since = True, None
            if was_refused:
                self._accepted()

    @property
    def refused(self) -> Mapping[str, datetime]:
        """The scopes of the services that refuse the identity, each with the instant since which it does."""
        since = {" ".join(scopes): held.refused_since for scopes, held in self._held.items()}
        return {scope: at for scope, at in since.items() if at is not None}

    async def close(self) -> None:
        """Closes the credential."""
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
            # The token was refused while this one was asked for.
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
    """Returns the error to raise if a managed identity got no token. The service that the token was for has heard nothing."""
    answered = _answer_behind(error)
    if answered is None or answered.status_code is None:
        silent = _is_silence(error) or _is_silence(error.__cause__)
        return (Unreachable if silent else Misconfigured)(f"no token: {error.message}")
    cause, status = f"no token: {answered.message}", answered.status_code
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return Throttled(cause, status=status, retry_after=seconds_to_wait(getattr(answered.response, "headers", {})))
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
