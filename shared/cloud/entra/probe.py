"""Tries a fresh client secret out against Entra ID's token endpoint: is it taken dependably?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import httpx

from shared.cloud.entra.sign_in import TokenEndpoint
from shared.core.names import ObjectId
from shared.core.ports.system import Clock
from shared.core.readiness.verdicts import SETTLED_SECONDS, Verdict
from shared.core.secret import Secret
from shared.resilience.rounds import Rounds


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

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, deadline: float, since: datetime | None = None) -> bool:
        """Returns whether Entra accepts the secret in two whole rounds of ten before ``deadline``.

        ``since``: when application and principal were made, if that is known. Raises ``NeverReady`` at a refusal that stays.
        """
        entra = TokenEndpoint(self.client, self.authority, self.tenant_id)
        proof = {"client_secret": secret.reveal()}

        async def attempt() -> Verdict:
            answer = await entra.sign_in(client_id, proof, self.scope)
            return answer.said(is_settled=is_settled(self.clock, since))

        return await Rounds(self.clock, attempt, deadline, f"the sign-in of {client_id}").pass_all()


def is_settled(clock: Clock, since: datetime | None) -> bool:
    """Returns whether what was made then is known everywhere by now. If nobody knows when it was made, it may be fresh."""
    return since is not None and (clock.now() - since).total_seconds() >= SETTLED_SECONDS
