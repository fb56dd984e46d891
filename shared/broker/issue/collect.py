"""Collecting: the holder of a lease that was prepared while nobody waited is handed out its credential.

The credential is made at that moment, proven, and in this answer alone. The worker says in the lease that it collects, and
until when, before it makes the credential. If it dies, the next one collects after that instant, and takes away what the dead
one may have left. If the credential is not seen to work in time, it is removed, and the lease stays prepared.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from shared.broker.access import issuing_from, lease_of_holder
from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.issue.asking import Filled, event_of, filled_as_kept
from shared.broker.issue.attempt import Issued
from shared.broker.issue.look_at_role import look_at_role
from shared.broker.issue.planning import LAST_CALL, SECRET_SLACK
from shared.broker.issue.preparations import SOON, Accepted, Preference, accepted
from shared.broker.issue.prepare import fail
from shared.broker.issue.prove import known_already, prove, untried
from shared.broker.issue.rotate import is_under_way, rotate
from shared.broker.ports import Actor, Ports
from shared.broker.rules import asked_again, require_same_target
from shared.core.errors import (
    Absent,
    AmbiguousRefusal,
    ConcurrentChange,
    Conflict,
    Gone,
    LeaseholdError,
    LostRace,
    NotReplicated,
    Refused,
    Rejected,
    Upstream,
)
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, ObjectId
from shared.core.preparing import NotProven, OutOfTime, PreparationFailed
from shared.kinds.kind import Kind, Order
from shared.kinds.optional import hands_out_again
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 3.0
_REMOVAL = 20.0
"""Seconds within which a credential is removed that was not proven."""
_ENDED = "The lease has ended, and its credential is not handed out any more. Ask again, with another Idempotency-Key."
_COLLECTED = "The credential was collected before, and is kept nowhere. Ask again, with another Idempotency-Key."


async def collect(
    ports: Ports,
    actor: Actor,
    lease_id: LeaseId,
    preference: Preference,
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Issued | Accepted:
    """Hands out the credential of a lease of the caller's, or says when it is worth asking again.

    Within ``Timing.grace`` after the credential was handed out, the lease gets a fresh one; of a credential without a secret,
    for as long as the lease is active. ``fields`` are about the credential, and count in place of those of the ask.

    Raises ``NotFound`` unless the caller holds the lease, ``Malformed`` (fields), ``PreparationFailed``, ``Gone``,
    ``Forbidden``, ``Conflict`` (``role_changed``), ``Upstream``.
    """
    return await _Collecting(ports, actor, lease_id, preference, ports.clock.monotonic(), fields).run()


@dataclass(slots=True)
class _Collecting:
    """One request. ``began`` is on the monotonic clock."""

    ports: Ports
    actor: Actor
    lease_id: LeaseId
    preference: Preference
    began: float
    fields: Mapping[str, Any]
    pause: float = _FIRST_PAUSE

    async def run(self) -> Issued | Accepted:
        while True:
            lease = await self._lease()
            preference = self.preference.collecting(lease)
            wait_until = self.began + preference.seconds
            if lease.state is State.PLANNED:
                if not await self._wait(wait_until):
                    return accepted(self.ports, lease)
                continue
            if is_under_way(self.ports, lease):
                return Accepted(lease, SOON)
            with suppress(LostRace):
                return await collect_now(self.ports, self.actor, lease, preference, wait_until, self.fields)

    async def _lease(self) -> Lease:
        """Returns the caller's lease, which has not ended. Its generation is read first: one of an earlier one stays so."""
        generation = await self.ports.generations.get(self.lease_id.role)
        lease = await lease_of_holder(self.ports, self.actor.caller, self.lease_id)
        _require_not_over(self.ports, lease.under(generation.number))
        return lease

    async def _wait(self, until: float) -> bool:
        """Waits for the worker that prepares the lease. Returns whether there is still time."""
        rest = self.pause * (0.5 + self.ports.ids.jitter())
        if self.ports.clock.monotonic() + rest >= until:
            return False
        await self.ports.clock.sleep(rest)
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)
        return True


def _require_not_over(ports: Ports, lease: Lease) -> None:
    """Raises ``PreparationFailed`` or ``Gone`` if the lease, as it is under its role's generation, is over."""
    if lease.state.is_open and not (lease.state is State.ACTIVE and lease.expires_at <= ports.now()):
        return
    if not lease.handed_out and (lease.failed_with or lease.cause in {Cause.FAILED, Cause.UNFINISHED}):
        raise PreparationFailed(lease.failed_with or "interrupted")
    raise Gone(_ENDED, code="lease_ended")


async def collect_now(
    ports: Ports,
    actor: Actor,
    lease: Lease,
    preference: Preference,
    wait_until: float,
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Issued | Accepted:
    """Hands out the credential of a lease that is PREPARED or ACTIVE, on which no other worker is at work.

    Decides again, as renewing does. If a lease that was never handed out may not be, it is undone at once. Raises as
    ``collect``, and ``LostRace`` if another worker has moved the lease.
    """
    try:
        role, issuing = await issuing_from(ports, actor.caller, lease.id.role)
        filled, _ = await filled_as_kept(ports, role, issuing, lease)
        require_same_target(ports, lease, filled.role)
    except Rejected as refused:
        if lease.state is State.PREPARED:
            await _undone(ports, actor, lease, refused)
        raise
    if (delivered := ports.courier.delivered(lease)) is not None and lease.state is State.ACTIVE:
        return Issued(lease, delivered)
    asked = await _asked(ports, actor, lease, filled, fields)
    prove_until = min(wait_until, ports.within(ports.timing.proving))
    is_prepared, is_reused = lease.state is State.PREPARED, _is_reused(ports, lease, filled)
    graced = lease.issued_at + timedelta(seconds=ports.timing.grace)
    is_late = max(graced, lease.repeat_by or graced) <= ports.now()
    if is_late and not is_prepared and not is_reused:
        raise Gone(_COLLECTED, code="credential_collected")
    if preference.is_async and not is_reused:
        # A repeat of an ask, which is to be answered at once: there is no time to make a credential and to prove it.
        return accepted(ports, lease)
    if is_prepared:
        return await _hand_out(ports, actor, lease, filled, asked, preference, prove_until)
    must_prove = not preference.is_lenient
    try:
        return await rotate(ports, actor, lease, filled, prove_until=prove_until, must_prove=must_prove, fields=fields)
    except NotProven:
        return accepted(ports, lease)


def _is_reused(ports: Ports, lease: Lease, filled: Filled) -> bool:
    """Whether the credential may be handed out for as long as the lease is active: that takes no write to Azure."""
    return hands_out_again(ports.kinds.of(lease).issuer, filled.role.target)


async def _undone(ports: Ports, actor: Actor, lease: Lease, refused: LeaseholdError) -> None:
    try:
        await fail(ports, actor.id, lease, refused.stable_code)
    except Upstream:
        log.warning("lease %s is left to the sweep", lease.id, exc_info=True)


async def _hand_out(
    ports: Ports, actor: Actor, lease: Lease, filled: Filled, asked: Any, preference: Preference, prove_until: float
) -> Issued | Accepted:
    seconds = max(0.0, prove_until - ports.clock.monotonic()) + LAST_CALL.total_seconds() + _REMOVAL
    until = ports.now() + timedelta(seconds=seconds)
    lock = LeaseLock(ports, lease)
    begun = await lock.move(lambda it: it.collecting(until))
    handing = _HandingOut(ports, actor, lock, filled, _order(ports, begun, filled, prove_until, asked), preference)
    try:
        return await handing.carry_out(prove_until)
    except (NotProven, OutOfTime, NotReplicated, ConcurrentChange):
        return accepted(ports, await handing.give_up())
    except LostRace:
        await handing.remove()
        raise
    except (Refused, Rejected) as refused:
        lease = await handing.give_up()
        if isinstance(refused, Absent | AmbiguousRefusal) and handing.order.fresh:
            # So Azure answers as well for an object that a replica does not know yet.
            return accepted(ports, lease)
        await _undone(ports, actor, lease, refused)
        await look_at_role(ports, actor.id, filled.template, refused)
        raise PreparationFailed(refused.stable_code) from refused
    except LeaseholdError:
        await handing.give_up()
        raise


async def _asked(ports: Ports, actor: Actor, lease: Lease, filled: Filled, fields: Mapping[str, Any]) -> Any:
    """Returns what the ask and this request say of the credential.

    Raises ``Malformed``: with other fields, the request may get the credential. Raises ``Conflict`` if the role has no such
    credential any more.
    """
    try:
        return asked_again(ports, lease, filled.role, fields)
    except Conflict as refused:
        if lease.state is State.PREPARED:
            await _undone(ports, actor, lease, refused)
        raise


def _order(ports: Ports, lease: Lease, filled: Filled, until: float, asked: Any) -> Order:
    fresh = ports.now() < lease.made_by + timedelta(seconds=ports.timing.settle)
    return Order(
        lease.id,
        lease.known_holder,
        filled.role.target,
        ports.now() + lease.longest + SECRET_SLACK,
        max(until, ports.within(LAST_CALL.total_seconds())),
        rotating=lease.maybe_more_secrets,
        fresh=fresh,
        claimed=bool(lease.claim),
        asked=asked,
    )


@dataclass(slots=True)
class _HandingOut:
    """One worker's collection of a prepared lease. ``lock`` has the lease as it was when the collection began."""

    ports: Ports
    actor: Actor
    lock: LeaseLock
    filled: Filled
    order: Order
    preference: Preference
    learned: ObjectId | None = field(default=None)

    @property
    def kind(self) -> Kind:
        return self.ports.kinds.of(self.lock.lease)

    async def carry_out(self, prove_until: float) -> Issued:
        """Raises ``NotProven``, ``LostRace``, and what the issuer raises."""
        ports, before = self.ports, self.lock.lease
        minted = await self.kind.issuer.credential(self.order, before.footprint, self._note)
        footprint = before.footprint
        if minted.credential_id is not None:
            footprint = self.kind.schema.with_credential(footprint, minted.credential_id)
        credential = self.kind.schema.complete(minted.credential, footprint)
        known = known_already(ports, self.kind, self.order, before, is_accepted=minted.proven)
        proven = known or untried(ports, self.order)
        if known is None and self._wants_proof:
            proven = await prove(ports, self.kind, self.order, credential, deadline=prove_until)
        if self._wants_proof and not proven.ready and not self.preference.is_lenient:
            raise NotProven
        if before.maybe_more_secrets:
            await self.kind.issuer.remove_former(self.order, before.footprint, maybe_more=True, keeping=minted.credential_id)
        ready, readiness, at, ends = proven.ready, proven.readiness, proven.at, credential.ends_at
        lease = await self.lock.release(
            lambda it: it.knowing(footprint).activated(
                ports.now(), ready=ready, readiness=readiness, seen_at=at, tokens_until=ends
            )
        )
        event = event_of(ports, self.actor, "issue", lease)
        _, generation = await both(ports.audit.record(event), ports.generations.get(lease.id.role))
        if lease.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        return Issued(lease, credential)

    @property
    def _wants_proof(self) -> bool:
        return self.order.target.ready != "none" and not self.preference.is_in_a_hurry

    async def remove(self) -> bool:
        """Removes what was added, as far as possible at once. Returns whether certainly nothing is left of it."""
        if self.learned is None:
            return False
        order = replace(self.order, rotating=True, fresh=True, deadline=self.ports.within(_REMOVAL / 2))
        footprint = self.kind.schema.with_credential(self.lock.lease.footprint, self.learned)
        try:
            return await self.kind.issuer.remove_former(order, footprint, maybe_more=False)
        except LeaseholdError:
            log.warning("lease %s may have a credential more until it ends", self.order.lease_id, exc_info=True)
            return False

    async def give_up(self) -> Lease:
        """Returns the lease, PREPARED as before. The next worker that collects removes what this one may have left."""
        await self.remove()
        if self.lock.lease.state is not State.PREPARED:
            return self.lock.lease
        try:
            return await self.lock.move(Lease.rotation_given_up)
        except LeaseholdError:
            log.warning("lease %s can be collected again a little later", self.order.lease_id, exc_info=True)
            return self.lock.lease

    def _note(self, credential_id: ObjectId) -> None:
        self.learned = credential_id
