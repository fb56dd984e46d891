"""Hands out again the credential of an active lease that has no secret: the same one, or a fresh token.

Nothing is replaced, so that any number of workers may do it at once, and none of them has to wait for another.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.broker.issue.attempt import Issued
from shared.broker.issue.prove import Proven, known_already, prove
from shared.broker.issue.swap_active import swap_active
from shared.broker.ports import Actor, Ports
from shared.core.credential import Credential
from shared.core.errors import LostRace
from shared.core.lease import Lease
from shared.core.preparing import NotProven
from shared.kinds.kind import Minted, Order
from shared.resilience.tasks import both

_TRIES = 10
"""To store what was handed out. Renewals and other workers that do the same may come in between."""


@dataclass(frozen=True, slots=True)
class HandingOutAgain:
    """One worker's answer. ``audit_reason`` is for the audit trail; ``prove_until`` is on the monotonic clock."""

    ports: Ports
    actor: Actor
    order: Order
    audit_reason: str
    lease: Lease
    prove_until: float
    must_prove: bool

    async def run(self) -> Issued:
        """Raises ``NotProven`` if it must be proven and is not in time, ``LostRace`` if the lease has ended, ``Upstream``."""
        ports, lease = self.ports, self.lease
        # An older version has issued leases without this note.
        await ports.leased.note(ports.kinds.principals(lease), lease.id)
        minted = await ports.kinds.of(lease).issuer.credential(self.order, lease.footprint, _unheard)
        # It may be one of when the role asked for no proof. Nothing was made by which it could be proven.
        is_unchecked = minted.unchanged and lease.unchecked
        proven = Proven() if is_unchecked else await self._proven(minted)
        if self.must_prove and not proven.ready and not is_unchecked:
            raise NotProven
        # The event comes before the write: nothing is handed out of which the audit trail says nothing.
        event = self.actor.done(ports, "reissue", role=lease.id.role, lease=lease.id, reason=self.audit_reason)
        _, generation = await both(ports.audit.record(event), ports.generations.get(lease.id.role))
        if lease.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        return Issued(await self._store(minted.credential, proven), minted.credential)

    async def _proven(self, minted: Minted) -> Proven:
        kind = self.ports.kinds.of(self.lease)
        known = known_already(self.ports, kind, self.order, self.lease, is_accepted=minted.proven)
        return known or await prove(self.ports, kind, self.order, minted.credential, deadline=self.prove_until)

    async def _store(self, credential: Credential, proven: Proven) -> Lease:
        """Stores what was seen, and until when a token works. Raises ``LostRace`` unless the lease is active."""
        at = proven.at or self.ports.now()
        return await swap_active(
            self.ports,
            self.lease,
            lambda it: it.handed_out_again(
                ready=proven.ready, readiness=proven.readiness, seen_at=at, tokens_until=credential.ends_at
            ),
            tries=_TRIES,
        )


def _unheard(_credential_id: object) -> None:
    """Nothing is added that has an id."""
