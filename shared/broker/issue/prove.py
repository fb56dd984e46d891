"""Proving a credential before it is handed out.

A credential that will never work is not handed out: ``NeverReady`` goes to whoever has made it, who undoes everything. What
becomes of one that is not proven in time is for the caller's preference to say.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared.broker.ports import Ports
from shared.core.credential import Credential
from shared.core.readiness.record import Readiness
from shared.kinds.kind import Kind, Order

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proven:
    """Whether a credential was seen to work, and what was seen. ``readiness`` is ``None`` if its role asks for no proof."""

    ready: bool = False
    readiness: Readiness | None = None


def untried(ports: Ports, order: Order) -> Proven:
    """Returns what is known of a credential that its caller takes at once. If its role asks for a proof, it is pending."""
    return Proven() if order.target.ready == "none" else Proven(readiness=Readiness((), (), ports.region, 0))


async def prove(ports: Ports, kind: Kind, order: Order, credential: Credential, *, deadline: float) -> Proven:
    """Tries the credential in the way that the order's role wants, until ``deadline`` on the monotonic clock.

    Logs how long it took, for a histogram. Raises ``NeverReady``.
    """
    if order.target.ready == "none":
        return Proven()
    began = ports.clock.monotonic()
    proof = await kind.issuer.prove(order, credential, deadline=deadline)
    seconds = ports.clock.monotonic() - began
    log.info(
        "leasehold_ready_seconds role=%s kind=%s pool=%s level=%s ready=%s seconds=%.1f",
        order.lease_id.role,
        kind.type,
        "none",
        order.target.ready,
        proof.works,
        seconds,
    )
    readiness = Readiness(proof.seen, proof.unseen, ports.region, round(1000 * seconds))
    return Proven(proof.works, readiness)
