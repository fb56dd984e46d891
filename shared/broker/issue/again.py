"""Hands out the credential of an active lease once more: the same one if that needs no write, else a fresh secret."""

from __future__ import annotations

from datetime import timedelta

from shared.broker.issue.asking import Filled
from shared.broker.issue.issue import SECRET_SLACK, Issued
from shared.broker.issue.rotate import rotate
from shared.broker.ports import Actor, Ports
from shared.broker.rules import require_same_target
from shared.core.errors import LostRace
from shared.core.lease import Lease
from shared.kinds.kind import Order
from shared.kinds.optional import HandsOutAgain
from shared.resilience.tasks import both


async def hand_out_again(
    ports: Ports, actor: Actor, lease: Lease, filled: Filled, *, prove_until: float, must_prove: bool
) -> Issued:
    """Returns the lease with its credential. ``filled`` is the role as the lease has it. Raises as ``rotate``."""
    issuer = reusing(ports, lease, filled)
    if issuer is None:
        return await rotate(ports, actor, lease, filled, prove_until=prove_until, must_prove=must_prove)
    reason, target = require_same_target(ports, lease, filled.role), filled.role.target
    fresh = ports.now() < lease.made_by + timedelta(seconds=ports.timing.settle)
    end = lease.max_expires_at + SECRET_SLACK
    order = Order(lease.id, lease.known_holder, target, end, prove_until, rotating=True, fresh=fresh)
    # An older version has issued leases without this note.
    await ports.leased.note(ports.kinds.principals(lease), lease.id)
    credential = await issuer.hand_out_again(order, lease.footprint)
    event = actor.done(ports, "reissue", role=lease.id.role, lease=lease.id, reason=reason)
    _, (generation, stored) = await both(
        ports.audit.record(event), both(ports.generations.get(lease.id.role), ports.leases.get(lease.id))
    )
    if stored is None or not stored.state.is_open or stored.is_overtaken(generation.number):
        raise LostRace("the lease has ended")
    return Issued(stored, credential)


def reusing(ports: Ports, lease: Lease, filled: Filled) -> HandsOutAgain | None:
    """Returns the issuer, if it can hand the lease's credential out again without a write; otherwise ``None``."""
    issuer = ports.kinds.of(lease).issuer
    if isinstance(issuer, HandsOutAgain) and issuer.can_hand_out_again(filled.role.target):
        return issuer
    return None
