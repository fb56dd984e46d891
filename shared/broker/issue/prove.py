"""Proving a credential before it is handed out.

A credential that will never work is not handed out: ``NeverReady`` goes to whoever has made it, who undoes everything. What
becomes of one that is not proven in time is for the caller's preference to say.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.broker.ports import Ports
from shared.core.credential import Credential
from shared.core.lease import Lease
from shared.core.readiness.record import TOKEN, Readiness
from shared.kinds.kind import Kind, Order
from shared.kinds.optional import hands_out_again
from shared.kinds.proof import Proof

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proven:
    """Whether a credential was seen to work, and what was seen. ``readiness`` is ``None`` if its role asks for no proof.

    ``at``: when, if that was before.
    """

    ready: bool = False
    readiness: Readiness | None = None
    at: datetime | None = None


def untried(ports: Ports, order: Order) -> Proven:
    """Returns what is known of a credential that its caller takes at once. If its role asks for a proof, it is pending."""
    return Proven() if order.target.ready == "none" else Proven(readiness=Readiness((), (), ports.region, 0))


def known_already(ports: Ports, kind: Kind, order: Order, lease: Lease, *, is_accepted: bool) -> Proven | None:
    """Returns what needs no proof any more; ``None`` if there is something to try, or if the role asks for no proof.

    ``is_accepted``: whether the credential was accepted while it was made. Then it is the proof of itself, whatever the role
    asks for, but for its access. What was seen of a ``lease`` whose credential is no secret still holds.
    """
    ready, seen = order.target.ready, lease.readiness
    if is_accepted and ready != "access":
        return Proven(ready=True, readiness=Readiness((TOKEN,), (), ports.region, 0))
    if ready == "none" or lease.ready_at is None or seen is None or not hands_out_again(kind.issuer, order.target):
        return None
    # The role may have asked for less then.
    is_enough = ready == "token" or any(each != TOKEN for each in seen.seen)
    return Proven(ready=True, readiness=seen, at=lease.ready_at) if is_enough else None


async def prove(ports: Ports, kind: Kind, order: Order, credential: Credential, *, deadline: float) -> Proven:
    """Tries the credential in the way that the order's role wants, until ``deadline`` on the monotonic clock.

    Raises ``NeverReady``.
    """
    if order.target.ready == "none":
        return Proven()
    began = ports.clock.monotonic()
    return found(ports, kind, order, await kind.issuer.prove(order, credential, deadline=deadline), began)


def found(ports: Ports, kind: Kind, order: Order, proof: Proof, began: float) -> Proven:
    """Returns what a proof has come to that began then, on the monotonic clock. Logs how long it took, for a histogram."""
    seconds = ports.clock.monotonic() - began
    log.info(
        "leasehold_ready_seconds role=%s kind=%s pool=%s level=%s ready=%s seconds=%.1f",
        order.lease_id.role,
        kind.type,
        "fill" if order.pooled else "claim" if order.claimed else "none",
        order.target.ready,
        proof.works,
        seconds,
    )
    readiness = Readiness(proof.seen, proof.unseen, ports.region, round(1000 * seconds))
    return Proven(proof.works, readiness)
