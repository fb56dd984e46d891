"""Signs in as a lease's application without holding its credential: with an assertion of the broker's own managed identity.

The application must trust that identity: it needs a federated identity credential whose issuer, subject and audience are the
assertion's. Only a user-assigned managed identity can be trusted so.
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.cloud.entra.app_roles_claim import carries
from shared.cloud.entra.probe import is_settled
from shared.cloud.entra.sign_in import TokenEndpoint, Verdict
from shared.cloud.entra.unverified_token import UnreadableToken, read
from shared.core.errors import (
    Misconfigured,
    NotReplicated,
    Refused,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
    Upstream,
)
from shared.core.names import ObjectId, Unparsable
from shared.core.ports.system import Clock
from shared.core.readiness import verdicts
from shared.core.secret import Secret
from shared.kinds.sign_in import LeaseToken
from shared.resilience.rounds import PAUSE, Rounds

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class AssertionSignIn:
    """Satisfies ``LeaseSignIn``.

    ``identity`` keeps its tokens until five minutes before their end (``HeldTokens``), so the assertion is asked for seldom.
    ``audience`` is that of the assertion, ``scope`` that of the tokens which ``signs_in`` asks for and throws away.
    """

    entra: TokenEndpoint
    identity: AsyncTokenCredential
    clock: Clock
    audience: str
    scope: str

    async def subject(self) -> ObjectId:
        """Returns the object id of the broker's identity. Raises ``Upstream``; ``Misconfigured`` if there is no identity."""
        try:
            return ObjectId.parse(str(read(await self._assertion()).claims.get("sub")))
        except (UnreadableToken, Unparsable) as wrong:
            raise Misconfigured("the assertion of the broker's own identity names no object id") from wrong

    async def token(
        self,
        client_id: ObjectId,
        scope: str,
        *,
        deadline: float,
        since: datetime | None = None,
        carrying: frozenset[str] = frozenset(),
    ) -> LeaseToken:
        """Returns an access token that carries these permissions. Until ``deadline``, tries again after whatever may pass.

        Raises ``Refused`` for an answer that stays, with the AADSTS number as its code. At the deadline, raises what the last
        try came to: ``NotReplicated`` after a refusal that might have passed, ``Throttled``, ``Unavailable``, ``Unreachable``.
        """
        while True:
            try:
                return await self._token(client_id, scope, since, carrying)
            except (NotReplicated, Throttled, Uncertain) as failure:
                asked = failure.retry_after if isinstance(failure, Throttled) else None
                pause = max(PAUSE, asked or 0.0)
                if self.clock.monotonic() + pause >= deadline:
                    raise
            await self.clock.sleep(pause)

    async def signs_in(self, client_id: ObjectId, *, deadline: float, since: datetime | None = None) -> bool:
        """Returns whether Entra accepts the assertion in two whole rounds of ten before ``deadline``.

        ``since``: when application and principal were made, if that is known. Raises ``NeverReady`` at a refusal that stays,
        ``Misconfigured`` if there is no identity.
        """

        async def attempt() -> verdicts.Verdict:
            answer = await self.attempt(client_id, self.scope)
            return answer.said(is_settled=is_settled(self.clock, since))

        return await Rounds(self.clock, attempt, deadline, f"the broker's sign-in as {client_id}").pass_all()

    async def attempt(self, client_id: ObjectId, scope: str) -> Verdict:
        """Signs in once. No answer stands for no assertion as well. Raises ``Misconfigured`` if there is no identity."""
        try:
            return await self._try(client_id, scope)
        except Upstream as failure:
            _log.warning("no assertion for the sign-in of %s: %s", client_id, failure.brief())
            return Verdict(retry_after=failure.retry_after if isinstance(failure, Throttled) else None)

    async def _assertion(self) -> str:
        return (await self.identity.get_token(f"{self.audience}/.default")).token

    async def _try(self, client_id: ObjectId, scope: str) -> Verdict:
        proof = {"client_assertion_type": _ASSERTION, "client_assertion": await self._assertion()}
        return await self.entra.sign_in(client_id, proof, scope)

    async def _token(self, client_id: ObjectId, scope: str, since: datetime | None, carrying: frozenset[str]) -> LeaseToken:
        verdict = await self._try(client_id, scope)
        if verdict.token is None:
            raise _failure(verdict, client_id, settled=is_settled(self.clock, since))
        if carrying and carries(verdict.token, carrying).word is not verdicts.Word.YES:
            raise NotReplicated(f"the token of {client_id} does not state all of its application permissions yet")
        return LeaseToken(verdict.token, _told_end(verdict.token) or self.clock.now() + timedelta(seconds=verdict.lasts))


def _told_end(token: Secret) -> datetime | None:
    """Returns the token's ``exp``; ``None`` if only its resource can read it."""
    try:
        return datetime.fromtimestamp(float(read(token.reveal()).claims["exp"]), UTC)
    except (UnreadableToken, LookupError, TypeError, ValueError, OverflowError, OSError):
        return None


def _failure(verdict: Verdict, client_id: ObjectId, *, settled: bool) -> Upstream:
    cause, status = f"the sign-in of {client_id}", verdict.status
    if verdict.refused:
        found = verdict.said(is_settled=settled)
        stays = found.word is verdicts.Word.NEVER
        return (Refused if stays else NotReplicated)(cause, status=status, azure_code=found.code)
    if status == _TOO_MANY or verdict.retry_after is not None:
        return Throttled(cause, status=status, retry_after=verdict.retry_after)
    return Unavailable(cause, status=status) if status else Unreachable(cause)


_log = logging.getLogger(__name__)
