"""Makes a fresh secret for an active lease, and removes the former one: a repeated issue answers with the fresh secret.

There is one rotation at a time: the worker that begins one writes into the lease until when it lasts, and others wait. The
former secret works until the fresh one is proven, or given up. To prove a secret takes longer than one rotation lasts, so the
rotation is renewed meanwhile. The worker may die at any line: from its first write on, the lease says that there may be several
secrets, and all of them go when it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from shared.broker.issue.asking import Filled
from shared.broker.issue.attempt import Issued
from shared.broker.issue.hand_out_again import HandingOutAgain
from shared.broker.issue.planning import SECRET_SLACK
from shared.broker.issue.prove import Proven, known_already, prove
from shared.broker.issue.swap_active import swap_active
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.stored_roles import look_at_one
from shared.broker.reconcile.watched import look_again
from shared.broker.rules import asked_again, require_answered, require_same_target, withhold_faults
from shared.core.credential import Credential
from shared.core.errors import LeaseholdError, LostRace, RoleOutdated, Upstream
from shared.core.footprint import Footprint
from shared.core.lease import Lease, State
from shared.core.names import ObjectId
from shared.core.preparing import NotProven
from shared.kinds.kind import Kind, Minted, Order
from shared.kinds.optional import hands_out_again
from shared.resilience.heartbeat import Heartbeat
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

_USED_OF_A_ROTATION = 2
"""No call begins in a rotation's second half."""
_TRIES = 5
"""To store the secret. Only renewals can come in between, and the same caller makes them."""


def is_under_way(ports: Ports, lease: Lease) -> bool:
    """Returns whether another worker is making a fresh secret, as far as is known."""
    return lease.rotating_until is not None and lease.rotating_until > ports.now()


async def rotate(
    ports: Ports,
    actor: Actor,
    lease: Lease,
    filled: Filled,
    *,
    prove_until: float,
    must_prove: bool = False,
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Issued:
    """Rotates the secret of an active lease on which no other worker is at work. ``prove_until`` is on the monotonic clock.

    ``filled`` is the role as the lease has it. If the fresh secret ``must_prove`` and does not in time, raises ``NotProven``:
    the fresh secret is removed, and the former one stays. ``fields`` are about the credential, and count in place of those of
    the ask. If the kind has nothing to replace, this answers with the credential of before, or with a fresh token, and changes
    nothing in Azure.

    Raises ``Conflict`` if the role grants something else by now, ``RoleOutdated`` if its application is another lease's,
    ``LostRace`` if another worker came first or the lease has ended, ``Upstream`` if the secret cannot be made. Then a secret
    that it has made is removed, at the latest with the lease.
    """
    role = filled.role
    audit_reason = require_same_target(ports, lease, role)
    require_answered(lease, role)
    asked = asked_again(ports, lease, role, fields)
    fresh = ports.now() < lease.made_by + timedelta(seconds=ports.timing.settle)
    order = Order(
        lease.id,
        lease.known_holder,
        role.target,
        lease.max_expires_at + SECRET_SLACK,
        ports.within(ports.timing.rotation / _USED_OF_A_ROTATION),
        rotating=True,
        fresh=fresh,
        claimed=bool(lease.claim),
        asked=asked,
    )
    must_prove = must_prove and role.target.ready != "none"
    try:
        if hands_out_again(ports.kinds.of(lease).issuer, role.target):
            return await HandingOutAgain(ports, actor, order, audit_reason, lease, prove_until, must_prove).run()
        marked = await ports.leases.swap(lease.rotating(_rotation_ends(ports)), former=lease)
        rotation = _Rotation(ports, actor, order, audit_reason, lease, marked, prove_until, must_prove=must_prove)
        return await rotation.carry_out()
    except RoleOutdated as failure:
        await look_at_one(ports, actor.id, filled.template, look_again)
        withhold_faults(actor.caller, failure)
        raise


def _rotation_ends(ports: Ports) -> datetime:
    return ports.now() + timedelta(seconds=ports.timing.rotation)


@dataclass(slots=True)
class _Rotation:
    """One worker's rotation. ``audit_reason`` is for the audit trail. ``before`` is the lease as found, ``lease`` as last
    stored.
    """

    ports: Ports
    actor: Actor
    order: Order
    audit_reason: str
    before: Lease
    lease: Lease
    prove_until: float
    must_prove: bool = False
    learned: ObjectId | None = field(default=None)

    @property
    def kind(self) -> Kind:
        return self.ports.kinds.of(self.lease)

    async def carry_out(self) -> Issued:
        """Raises as ``rotate``."""
        try:
            return await self._carried_out()
        except LeaseholdError as failure:
            if await self._give_up() and isinstance(failure, Upstream):
                # The application to which it would have added a secret was deleted meanwhile.
                raise LostRace("the lease has ended") from failure
            raise

    async def _carried_out(self) -> Issued:
        # An older version has issued leases without this note.
        await self.ports.leased.note(self.ports.kinds.principals(self.lease), self.lease.id)
        minted = await self.kind.issuer.credential(self.order, self.lease.footprint, self._note)
        proven = await self._proven(minted)
        if self.must_prove and not proven.ready:
            raise NotProven
        alone = await self.kind.issuer.remove_former(
            self.order,
            self.before.footprint,
            maybe_more=self.before.maybe_more_secrets,
            keeping=minted.credential_id,
        )
        # The event comes before the last write: after that write, the next rotation may begin before the answer.
        event = self.actor.done(self.ports, "reissue", role=self.lease.id.role, lease=self.lease.id, reason=self.audit_reason)
        _, generation = await both(self.ports.audit.record(event), self.ports.generations.get(self.lease.id.role))
        if self.lease.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        # If this rotation has taken over from a silent worker, nobody knows what that worker may still make.
        footprint = self._holding(minted.credential_id)
        made_by = max(self.before.made_by, self.ports.now())
        now, ready, readiness = proven.at or self.ports.now(), proven.ready, proven.readiness
        lease = await self._store(
            lambda it: it.rotated(
                *(footprint, made_by),
                ready=ready,
                maybe_more_secrets=not alone,
                now=now,
                readiness=readiness,
                tokens_until=minted.credential.ends_at,
            )
        )
        return Issued(lease, minted.credential)

    def _holding(self, credential_id: ObjectId | None) -> Footprint:
        """Returns the lease's footprint with that credential."""
        footprint = self.lease.footprint
        return footprint if credential_id is None else self.kind.schema.with_credential(footprint, credential_id)

    async def _proven(self, minted: Minted) -> Proven:
        known = known_already(self.ports, self.kind, self.order, self.before, is_accepted=minted.proven)
        return known or await self._prove(minted.credential, self.prove_until)

    async def _prove(self, credential: Credential, until: float) -> Proven:
        """Proves the credential, and renews the rotation meanwhile. If the worker dies, the next need not wait any longer."""
        if self.order.target.ready == "none":
            return Proven()
        what = f"the rotation on lease {self.lease.id}"
        heartbeat = Heartbeat(self.ports.clock, self.ports.timing.rotation / 3, self._renew, what)
        try:
            proven = await prove(self.ports, self.kind, self.order, credential, deadline=until)
        finally:
            await heartbeat.stop()
        await self._renew()
        self.order = replace(self.order, deadline=self.ports.within(self.ports.timing.rotation / _USED_OF_A_ROTATION))
        return proven

    async def _renew(self) -> None:
        """Renews the rotation. Raises ``LostRace`` unless it is still this worker's."""
        self.lease = await self._store(lambda it: it.proving(_rotation_ends(self.ports)))

    async def _give_up(self) -> bool:
        """Removes what it has made, as far as possible at once. The rest goes with the lease.

        Returns whether the lease is known to have ended meanwhile.
        """
        try:
            if self.learned is not None:
                await self.kind.issuer.remove_former(self.order, self._holding(self.learned), maybe_more=False)
            try:
                await self._store(Lease.rotation_given_up)
            except LostRace:
                stored = await self.ports.leases.get(self.lease.id)
                return stored is None or stored.state is not State.ACTIVE
        except LeaseholdError:
            log.warning("lease %s may have a secret more until it ends", self.lease.id, exc_info=True)
        return False

    async def _store(self, change: Callable[[Lease], Lease]) -> Lease:
        """Stores the changed lease. Raises ``LostRace`` unless the lease is active and the rotation is still this worker's."""
        number = self.lease.rotations
        return await swap_active(self.ports, self.lease, change, tries=_TRIES, is_mine=lambda it: it.rotations == number)

    def _note(self, credential_id: ObjectId) -> None:
        self.learned = credential_id
