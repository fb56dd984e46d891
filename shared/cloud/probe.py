"""Tries a fresh client secret out against Entra ID's token endpoint."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import httpx

from shared.cloud.upstream import seconds_to_wait
from shared.core.names import ObjectId
from shared.core.ports import Clock
from shared.core.secret import Secret

_SUCCESSES = 3
"""In a row. One proves nothing: the next call may meet a replica that has not heard of the application (AADSTS700016)."""
_PAUSE = 1.0
_OK = 200
_TOO_MANY = 429
_SERVER_ERROR = 500
_NOT_YET = frozenset({700016, 7000215, 7000229, 70021, 700211, 700213})
"""AADSTS codes of what has not been replicated yet: application, secret, service principal, federated credential.
https://learn.microsoft.com/entra/identity-platform/reference-error-codes"""


@dataclass(frozen=True, slots=True)
class TokenProbe:
    """Satisfies ``Probe``. ``authority`` is Entra's address, ``scope`` what a token is asked for.

    Every attempt closes its connection, so that the next opens one and may meet another of Entra's front ends. The tokens are
    thrown away.
    """

    client: httpx.AsyncClient
    clock: Clock
    authority: str
    tenant_id: ObjectId
    scope: str

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, wait_until: float) -> bool:
        """Whether Entra takes it three times in a row before ``wait_until``. Raises nothing: a probe decides nothing.

        The probing stops at the first error that does not pass by itself, whose code goes to the log.
        """
        in_a_row = 0
        while True:
            verdict = await self._attempt(client_id, secret)
            if verdict.hopeless:
                return False
            in_a_row = in_a_row + 1 if verdict.good else 0
            if in_a_row == _SUCCESSES:
                return True
            rest = max(_PAUSE, verdict.retry_after)
            if self.clock.monotonic() + rest >= wait_until:
                return False
            await self.clock.sleep(rest)

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


@dataclass(frozen=True, slots=True)
class _Verdict:
    good: bool = False
    hopeless: bool = False
    retry_after: float = 0.0


def _judge(answer: httpx.Response, client_id: ObjectId) -> _Verdict:
    if answer.status_code == _OK:
        return _Verdict(good=True)
    if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
        return _Verdict(retry_after=seconds_to_wait(answer.headers) or 0.0)
    codes = _error_codes(answer)
    if codes & _NOT_YET:
        return _Verdict()
    _log.warning("the sign-in of %s is refused: status %s, AADSTS codes %s", client_id, answer.status_code, sorted(codes))
    return _Verdict(hopeless=True)


def _error_codes(answer: httpx.Response) -> frozenset[int]:
    try:
        body: Any = answer.json()
    except ValueError:
        return frozenset()
    codes = body.get("error_codes") if isinstance(body, dict) else None
    return frozenset(code for code in codes if isinstance(code, int)) if isinstance(codes, list) else frozenset()


_log = logging.getLogger(__name__)
