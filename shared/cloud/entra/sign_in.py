"""Entra ID's token endpoint: one sign-in of an application, and what its answer means."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from shared.cloud.upstream import parsed, seconds_to_wait
from shared.core.names import ObjectId
from shared.core.readiness import verdicts
from shared.core.secret import Secret

_OK = 200
_TOO_MANY = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one sign-in. If Entra has said neither yes nor no, there is no token, and it is not ``refused``.

    ``status`` is 0 if there was no answer. ``lasts``: seconds, as the answer tells them.
    """

    token: Secret | None = None
    lasts: float = 0.0
    refused: bool = False
    status: int = 0
    codes: tuple[int, ...] = ()
    """AADSTS numbers, in order."""
    retry_after: float | None = None

    def said(self, *, is_settled: bool = False) -> verdicts.Verdict:
        """Returns what the answer says. ``is_settled``: application and principal are known everywhere."""
        if not self.status:
            return verdicts.Verdict(verdicts.Word.NOTHING, retry_after=self.retry_after or 0.0)
        wait, has_token = self.retry_after or 0.0, self.token is not None
        return verdicts.of_sign_in(self.status, self.codes, has_token=has_token, is_settled=is_settled, retry_after=wait)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """``authority`` is Entra's address.

    Every sign-in opens a connection and closes it, so that the next one may meet another of Entra's front ends. So ``client``
    must keep no connections.
    """

    client: httpx.AsyncClient
    authority: str
    tenant_id: ObjectId

    async def sign_in(self, client_id: ObjectId, proof: Mapping[str, str], scope: str) -> Verdict:
        """Asks for a token for ``scope`` by OAuth's client credentials flow. ``proof`` are the form's fields that prove the
        client: a secret or an assertion. Raises nothing.
        """
        form = {"grant_type": "client_credentials", "client_id": client_id, **proof, "scope": scope}
        address = f"{self.authority}/{self.tenant_id}/oauth2/v2.0/token"
        try:
            answer = await self.client.post(address, data=form, headers={"Connection": "close"})
        except httpx.RequestError as silence:
            _log.warning("the sign-in of %s got no answer: %s", client_id, type(silence).__name__)
            return Verdict()
        return _judge(answer, client_id)


def _judge(answer: httpx.Response, client_id: ObjectId) -> Verdict:
    status = answer.status_code
    if status == _OK:
        # A proxy may answer in Entra's place.
        found = _told(answer)
        token, lasts = found.get("access_token"), found.get("expires_in")
        known = float(lasts) if isinstance(lasts, int | float) else 0.0
        return Verdict(Secret(token), known, status=status) if isinstance(token, str) else Verdict(status=status)
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return Verdict(status=status, retry_after=seconds_to_wait(answer.headers))
    codes = _error_codes(answer)
    if not verdicts.HOPELESS.isdisjoint(codes):
        _log.warning("the sign-in of %s is refused: status %s, AADSTS codes %s", client_id, status, list(codes))
    return Verdict(refused=True, status=status, codes=codes)


def _told(answer: httpx.Response) -> Mapping[str, Any]:
    body = parsed(answer.content)
    return body if isinstance(body, dict) else {}


def _error_codes(answer: httpx.Response) -> tuple[int, ...]:
    codes = _told(answer).get("error_codes")
    found = (code for code in codes if isinstance(code, int)) if isinstance(codes, list) else ()
    return tuple(sorted(set(found)))


_log = logging.getLogger(__name__)
