"""Tries a fresh credential out against Entra ID's token endpoint: is it taken dependably?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

import httpx

from shared.cloud.entra.sign_in import TokenEndpoint, Verdict
from shared.core.names import ObjectId
from shared.core.ports.system import Clock
from shared.core.secret import Secret

PAUSE = 2.0
"""Seconds between a refusal and the next try."""
_ROUNDS = 2
_TRIES = 10
"""Sign-ins in a row that make a round. The first refusal ends the round. One success proves nothing: the next call may meet a
replica that does not know the application yet (AADSTS700016). Most fresh secrets are refused after three successes in a row."""


@dataclass(frozen=True, slots=True)
class TokenProbe:
    """Satisfies ``Probe``. ``authority`` is Entra's address. ``scope`` is the scope of the tokens that it asks for.

    ``client`` must keep no connections: see ``TokenEndpoint``. The tokens are thrown away.
    """

    client: httpx.AsyncClient
    clock: Clock
    authority: str
    tenant_id: ObjectId
    scope: str

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, deadline: float) -> bool:
        """Returns whether Entra accepts the secret in two whole rounds of ten before ``deadline``. Raises nothing."""
        entra = TokenEndpoint(self.client, self.authority, self.tenant_id)
        proof = {"client_secret": secret.reveal()}
        return await Rounds(self.clock, lambda: entra.sign_in(client_id, proof, self.scope), deadline).pass_all()


@dataclass(frozen=True, slots=True)
class Rounds:
    """Two rounds of ten sign-ins. ``sign_in`` makes one try. No try begins after ``deadline``, on the monotonic clock."""

    clock: Clock
    sign_in: Callable[[], Awaitable[Verdict]]
    deadline: float

    async def pass_all(self) -> bool:
        """Returns whether two whole rounds come to pass before the deadline.

        Two seconds after a refusal, the first round begins again. Two seconds after the first whole round, the second begins.
        A refusal that stays ends it.
        """
        rounds = 0
        while True:
            outcome = await self._round()
            if outcome is _Outcome.OVER:
                return False
            rounds = rounds + 1 if outcome is _Outcome.WHOLE else 0
            if rounds == _ROUNDS:
                return True
            if not await self._rest(PAUSE):
                return False

    async def _round(self) -> _Outcome:
        """Makes ten tries. A try that is neither accepted nor refused does not count, and is made again."""
        good = 0
        while good < _TRIES:
            if self.clock.monotonic() >= self.deadline:
                return _Outcome.OVER
            verdict = await self.sign_in()
            if verdict.hopeless:
                return _Outcome.OVER
            if verdict.refused:
                return _Outcome.BROKEN
            if verdict.token is not None:
                good += 1
            elif not await self._rest(max(PAUSE, verdict.retry_after or 0.0)):
                return _Outcome.OVER
        return _Outcome.WHOLE

    async def _rest(self, seconds: float) -> bool:
        """Sleeps, and returns ``True``, if there is time for another try after that pause."""
        if self.clock.monotonic() + seconds >= self.deadline:
            return False
        await self.clock.sleep(seconds)
        return True


class _Outcome(Enum):
    """The outcome of one round. ``OVER`` ends the probing: there is no time, or no hope."""

    WHOLE = auto()
    BROKEN = auto()
    OVER = auto()
