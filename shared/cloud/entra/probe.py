"""Tries a fresh client secret out against Entra ID's token endpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import httpx

from shared.cloud.upstream import parsed, seconds_to_wait
from shared.core.names import ObjectId
from shared.core.ports.system import Clock
from shared.core.secret import Secret

_ROUNDS = 2
_TRIES = 10
"""Sign-ins in a row that make a round. The first refusal ends the round. One success proves nothing: the next call may meet a
replica that does not know the application yet (AADSTS700016). Most fresh secrets are refused after three successes in a row."""
_PAUSE = 2.0
_OK = 200
_TOO_MANY = 429
_SERVER_ERROR = 500
_CONDITIONAL_ACCESS = frozenset({*range(53000, 53012), 530031, 530032, 530034, 530035})
_HOPELESS = _CONDITIONAL_ACCESS | {
    *(90002, 500011),  # no such tenant, no such resource
    *(7000112, 7000222),  # the application is disabled, the secret has expired
    *(700222, 700226, 700229, 700231, 700236, 7002138),  # assertions that no application takes
}
"""AADSTS codes that stay. Any other refusal of a fresh secret may pass by itself. The codes "should never be used by the
client" and change. https://learn.microsoft.com/entra/identity-platform/reference-error-codes"""


@dataclass(frozen=True, slots=True)
class TokenProbe:
    """Satisfies ``Probe``. ``authority`` is Entra's address. ``scope`` is the scope of the tokens that it asks for.

    Every try opens a connection and closes it, so that the next try may meet another of Entra's front ends. So ``client`` must
    keep no connections. The tokens are thrown away.
    """

    client: httpx.AsyncClient
    clock: Clock
    authority: str
    tenant_id: ObjectId
    scope: str

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, deadline: float) -> bool:
        """Returns whether Entra accepts the secret in two whole rounds of ten before ``deadline``. Raises nothing.

        Two seconds after a refusal, the first round begins again. Two seconds after the first whole round, the second begins.
        At a refusal that stays, the probing ends, and the code goes to the log.
        """
        rounds = 0
        while True:
            outcome = await self._round(client_id, secret, deadline)
            if outcome is _Outcome.OVER:
                return False
            rounds = rounds + 1 if outcome is _Outcome.WHOLE else 0
            if rounds == _ROUNDS:
                return True
            if not await self._rest(_PAUSE, deadline):
                return False

    async def _round(self, client_id: ObjectId, secret: Secret, deadline: float) -> _Outcome:
        """Makes ten tries. A try that is neither accepted nor refused does not count, and is made again."""
        good = 0
        while good < _TRIES:
            if self.clock.monotonic() >= deadline:
                return _Outcome.OVER
            verdict = await self._attempt(client_id, secret)
            if verdict.hopeless:
                return _Outcome.OVER
            if verdict.refused:
                return _Outcome.BROKEN
            if verdict.good:
                good += 1
            elif not await self._rest(max(_PAUSE, verdict.retry_after), deadline):
                return _Outcome.OVER
        return _Outcome.WHOLE

    async def _rest(self, seconds: float, deadline: float) -> bool:
        """Sleeps, and returns ``True``, if there is time for another try after that pause."""
        if self.clock.monotonic() + seconds >= deadline:
            return False
        await self.clock.sleep(seconds)
        return True

    async def _attempt(self, client_id: ObjectId, secret: Secret) -> _Verdict:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret.reveal(),
            "scope": self.scope,
        }
        address = f"{self.authority}/{self.tenant_id}/oauth2/v2.0/token"
        try:
            answer = await self.client.post(address, data=form, headers={"Connection": "close"})
        except httpx.RequestError as silence:
            _log.warning("the sign-in of %s got no answer: %s", client_id, type(silence).__name__)
            return _Verdict()
        return _judge(answer, client_id)


class _Outcome(Enum):
    """The outcome of one round. ``OVER`` ends the probing: there is no time, or no hope."""

    WHOLE = auto()
    BROKEN = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The outcome of one try. If Entra has said neither yes nor no, none of the three is true."""

    good: bool = False
    refused: bool = False
    hopeless: bool = False
    retry_after: float = 0.0


def _judge(answer: httpx.Response, client_id: ObjectId) -> _Verdict:
    if answer.status_code == _OK:
        # A proxy may answer in Entra's place.
        return _Verdict(good=isinstance(_told(answer).get("access_token"), str))
    if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
        return _Verdict(retry_after=seconds_to_wait(answer.headers) or 0.0)
    codes = _error_codes(answer)
    if not codes & _HOPELESS:
        return _Verdict(refused=True)
    _log.warning("the sign-in of %s is refused: status %s, AADSTS codes %s", client_id, answer.status_code, sorted(codes))
    return _Verdict(hopeless=True)


def _told(answer: httpx.Response) -> Mapping[str, Any]:
    body = parsed(answer.content)
    return body if isinstance(body, dict) else {}


def _error_codes(answer: httpx.Response) -> frozenset[int]:
    codes = _told(answer).get("error_codes")
    return frozenset(code for code in codes if isinstance(code, int)) if isinstance(codes, list) else frozenset()


_log = logging.getLogger(__name__)
