"""Prepares a lease for which nobody waits: makes everything but the credential, and proves it as far as that can be seen.

The worker that takes the lease's message runs this. The caller was allowed when it asked, and is decided on again when it
collects. In between, only the role is looked at. A lease for a pool has no caller yet, and is made in the same way. The worker
may die at any line: the lease is due when its lock is over, and the sweep sends the message again. So what is made may be made
twice, by the same names.

A worker has a turn with a lease (``Timing.turn``). If the lease is not seen to work by then, it waits behind the others, and
the next turn goes on with its proof. A lease that is delivered is proven twice: what holds the credential and then, as nobody
collects it, the credential. The latter is stored nowhere: a turn that ends before its proof removes it, and the next turn makes
another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ending.undo import undo
from shared.broker.issue.asking import granted_by, refilled
from shared.broker.issue.clean_up import CleanUp
from shared.broker.issue.deliver import Delivering
from shared.broker.issue.look_at_role import look_at_role
from shared.broker.issue.mint import Minting
from shared.broker.issue.planning import LAST_CALL, SECRET_SLACK
from shared.broker.issue.preparations import send_preparation, waiting_for_sweep
from shared.broker.issue.prove import Proven, found, known_already, prove
from shared.broker.pool.hints import misfit
from shared.broker.pool.making import order_for_pool, stands_ready, tell_failed, tell_ready, tell_unproven
from shared.broker.ports import Ports
from shared.broker.rules import asked_again, broken_by, require_same_target
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import LeaseholdError, LostRace, Refused, RoleOutdated, Throttled, Upstream
from shared.core.footprint import Footprint
from shared.core.lease import Cause, Lease
from shared.core.names import LeaseId, ObjectId
from shared.core.role import Role, role_changed
from shared.kinds.kind import Order
from shared.kinds.optional import ProvesPrepared
from shared.resilience.priority import in_background
from shared.resilience.rounds import in_turns
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

_AGAIN = 15.0
"""Seconds at least until a preparation is tried again that Azure has delayed."""
SLOW = 120.0
"""Seconds after the ask. A lease that is not seen to work by then has a turn a minute: the sweep sends its message again."""
_LONGEST_TURN = 3
"""Turns. So long is the turn of a fresh credential at last: Entra ID may take longer for it than one turn."""
_REMOVAL = 10.0
"""Seconds within which a credential is removed that was not seen to work."""


async def prepare(ports: Ports, request_id: str, lease_id: LeaseId) -> Lease | None:
    """Prepares the lease. Returns the lease as it then stands; ``None`` if nobody waits for a worker to prepare it.

    It is PREPARED; or PLANNED if Azure has delayed it, until the sweep sends its message again; or ending, if it never can be
    prepared. A message that comes twice, or late, does no harm. Raises ``Upstream`` if storage fails, ``Unreadable``.
    """
    lease = await ports.leases.get(lease_id)
    now = ports.now()
    if lease is None or not lease.is_to_prepare(now) or not (lease.is_queued or lease.due_at <= now):
        return None
    lock = LeaseLock(ports, lease)
    try:
        makes_credential = lease.delivery is not None
        await lock.move(lambda it: it.taken_up(lock.until(), _gives_up_by(ports), with_credential=makes_credential))
    except LostRace:
        return None
    async with lock:
        if not lease.is_for_pool:
            return await _prepare(ports, request_id, lock)
        with in_background():
            # Nobody has asked for it: callers' calls go first.
            return await _prepare(ports, request_id, lock)


def _gives_up_by(ports: Ports) -> datetime:
    return ports.now() + timedelta(seconds=ports.timing.mint) + LAST_CALL


async def _prepare(ports: Ports, request_id: str, lock: LeaseLock) -> Lease | None:
    lease = lock.lease
    role, generation = await both(ports.roles.get(lease.id.role), ports.generations.get(lease.id.role))
    if why := _needless(ports, lease, role, generation.number):
        return await _end(ports, request_id, lock, lambda it: it.ending(why, ports.now(), lock.until()))
    try:
        filled, order = _role_and_order(ports, role, lease)
    except LeaseholdError as refused:
        # Nothing was made here. Another worker may have made something before.
        code = refused.stable_code
        await _tell_failed(ports, lease, code)
        return await _end(ports, request_id, lock, lambda it: it.failing(code, ports.now(), lock.until()))
    minting = Minting(ports.kinds.of(filled), order, lease.footprint)
    clean_up = CleanUp(ports, request_id, lock, minting)
    try:
        return await _Preparation(ports, request_id, lock, filled, minting).run()
    except LostRace:
        stored = await ports.leases.get(lease.id)
        if stored is None or not stored.state.is_open:
            # Another worker has ended it, and may not know all that was made here.
            await clean_up.run()
    except LeaseholdError as failure:
        if isinstance(failure, Upstream) and not isinstance(failure, Refused):
            return await _delayed(ports, lock, failure)
        clean_up.code = failure.stable_code
        await _tell_failed(ports, lease, clean_up.code)
        await clean_up.run()
        if role is not None:
            await look_at_role(ports, request_id, role, failure)
    return await ports.leases.get(lease.id)


def _needless(ports: Ports, lease: Lease, role: Role | None, generation: int) -> Cause | None:
    """Returns why nobody wants the lease any more; ``None`` if somebody does, or if only its order can tell."""
    if lease.is_for_pool:
        return misfit(ports, lease, role, generation)
    return Cause.REVOKED if lease.is_overtaken(generation) else None


@dataclass(slots=True)
class _Preparation:
    """One worker's go at it."""

    ports: Ports
    request_id: str
    lock: LeaseLock
    role: Role
    minting: Minting

    async def run(self) -> Lease:
        """Returns the lease, PREPARED or POOLED, ACTIVE if it is delivered, or PLANNED if it was not seen to work yet."""
        order, ports = self.minting.order, self.ports
        delivering = Delivering.of(ports, self.role, self.lock.lease)
        if delivering is not None and not self.lock.lease.is_made:
            # A name that is taken, or a vault that does not answer, shows before anything is made.
            await delivering.require_name(self.lock.lease, deadline=order.deadline)
        made = await self._made()
        began = ports.clock.monotonic()
        proven = await self._proven(made)
        if proven.readiness is not None and not proven.ready:
            return await self._another_turn(made, began)
        now, ready, readiness, at = ports.now(), proven.ready, proven.readiness, proven.at
        if order.pooled:
            return await self._into_pool(made, proven)
        if delivering is not None:
            return await self._into_vault(delivering, made, proven)
        collect_by = now + timedelta(seconds=ports.timing.collect)
        lease = await self.lock.release(
            lambda it: it.knowing(made).prepared(now, collect_by, ready=ready, readiness=readiness, seen_at=at)
        )
        ports.pace.note(lease.id.role, (now - lease.planned_at).total_seconds())
        return lease

    async def _made(self) -> Footprint:
        """Returns what was made by an earlier turn or, if there was none, makes it."""
        if self.lock.lease.is_made:
            return self.lock.lease.footprint
        made = await self.minting.prepare()
        await self.ports.leased.note(self.minting.kind.schema.principals(made), self.minting.order.lease_id)
        return made

    async def _another_turn(self, made: Footprint, began: float, seen: Proven | None = None) -> Lease:
        """The lease waits behind those whose messages are in the queue already. If it is slow, the sweep brings it back.

        The turn ``began`` then, on the monotonic clock. ``seen``: what needs no other proof.
        """
        ports = self.ports
        is_slow = self.lock.lease.planned_at + timedelta(seconds=SLOW) <= ports.now()
        # A proof that does not wait itself would go round and round.
        has_waited = ports.clock.monotonic() >= began + ports.timing.turn / 2
        if is_slow and self.minting.order.pooled:
            await tell_unproven(ports, self.role.name)
        waits_for_sweep = is_slow or not has_waited
        wait = _AGAIN if waits_for_sweep else ports.timing.message
        lease = await self.lock.release(lambda it: waiting_for_sweep(ports, _after_turn(it, made, seen, ports.now()), wait))
        if not waits_for_sweep:
            await send_preparation(ports, lease)
        return lease

    async def _into_pool(self, made: Footprint, proven: Proven) -> Lease:
        role, ready, readiness = self.role, proven.ready, proven.readiness
        lease = await self.lock.release(
            lambda it: stands_ready(self.ports, role, it.knowing(made), ready=ready, readiness=readiness)
        )
        await tell_ready(self.ports, lease)
        return lease

    async def _into_vault(self, delivering: Delivering, made: Footprint, seen: Proven) -> Lease:
        """Nobody collects the credential: it is made, proven, and put into the vault here. ``seen``: what holds it works."""
        ports, order, kind, before = self.ports, self.minting.order, self.minting.kind, self.lock.lease
        await delivering.require_name(before, deadline=order.deadline)
        minted = await kind.issuer.credential(order, made, self._note)
        footprint = made if minted.credential_id is None else kind.schema.with_credential(made, minted.credential_id)
        credential = kind.schema.complete(minted.credential, footprint)
        began = ports.clock.monotonic()
        with in_turns(self._turn_of_credential()):
            proven = await self.lock.while_held(prove(ports, kind, order, credential, deadline=self._prove_until()))
        if order.target.ready != "none" and not proven.ready:
            await self._remove(footprint)
            return await self._another_turn(made, began, seen)
        alone = not (before.maybe_more_secrets or minted.maybe_more) or await kind.issuer.remove_former(
            replace(order, rotating=True), made, maybe_more=True, keeping=minted.credential_id
        )
        begins = ports.now()
        await delivering.put(self.lock, credential, begins=begins, deadline=order.deadline)
        ready, readiness, known = proven.ready, proven.readiness, ports.kinds.with_derived(before.knowing(footprint))
        # Told before the last move: nobody waits who could be refused if the trail does not take it.
        recorded = ports.audit.record(_delivered(ports, self.request_id, known))
        _, generation = await both(recorded, ports.generations.get(before.id.role))
        if before.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        lease = await self.lock.release(
            lambda it: replace(
                ports.kinds.with_derived(it.knowing(footprint)).activated(begins, ready=ready, readiness=readiness),
                maybe_more_secrets=not alone,
            )
        )
        ports.pace.note(lease.id.role, (begins - lease.planned_at).total_seconds())
        return lease

    def _turn_of_credential(self) -> float:
        """Returns when the turn of a fresh credential ends, on the monotonic clock. Each turn begins with another one.

        Those of a slow lease are longer: a credential that needs longer than a turn would never be seen to work.
        """
        ports = self.ports
        slow = (ports.now() - self.lock.lease.planned_at).total_seconds() / SLOW
        return ports.within(ports.timing.turn * min(_LONGEST_TURN, max(1.0, slow)))

    async def _remove(self, footprint: Footprint) -> None:
        """Removes the credential of this turn, as far as possible at once. What is left, the next turn removes."""
        order = replace(self.minting.order, rotating=True, fresh=True, deadline=self.ports.within(_REMOVAL))
        try:
            await self.minting.kind.issuer.remove_former(order, footprint, maybe_more=False)
        except Upstream:
            log.warning("lease %s may have a credential more until its next turn", order.lease_id, exc_info=True)

    def _note(self, credential_id: ObjectId) -> None:
        """The lease's tag or name leads to the credential: whoever tries again removes it."""

    async def _proven(self, made: Footprint) -> Proven:
        """Returns what was seen of what was made; no readiness if nothing can be seen, or if the role asks for no proof."""
        kind, order, began = self.minting.kind, self.minting.order, self.ports.clock.monotonic()
        lease = self.lock.lease
        known = known_already(self.ports, kind, order, lease, is_accepted=False) or _seen_before(lease)
        if known is not None:
            return known
        if order.target.ready == "none" or not isinstance(kind.issuer, ProvesPrepared):
            return Proven()
        with in_turns(self.ports.within(self.ports.timing.turn)):
            # Of a lease that is delivered, an earlier turn may have found that this cannot be seen, and have gone on.
            again, until = lease.is_made and lease.delivery is None, self._prove_until()
            proof = await self.lock.while_held(kind.issuer.prove_prepared(order, made, deadline=until, again=again))
        return Proven() if proof is None else found(self.ports, kind, order, proof, began)

    def _prove_until(self) -> float:
        by = self.lock.lease.prepare_by or self.lock.lease.made_by
        return min(self.minting.order.deadline, self.ports.within((by - self.ports.now()).total_seconds()))


def _after_turn(lease: Lease, made: Footprint, seen: Proven | None, now: datetime) -> Lease:
    """Returns the lease with what was made for it and, of a lease that is delivered, with what was seen of that."""
    lease = lease.made(made)
    return lease if seen is None or not seen.ready else replace(lease, readiness=seen.readiness, ready_at=seen.at or now)


def _seen_before(lease: Lease) -> Proven | None:
    """Returns what an earlier turn has seen of what holds the credential of a lease that is delivered."""
    if lease.delivery is None or not lease.is_made or lease.ready_at is None:
        return None
    return Proven(ready=True, readiness=lease.readiness, at=lease.ready_at)


def _delivered(ports: Ports, request_id: str, lease: Lease) -> AuditEvent:
    granted = granted_by(lease.scopes, lease.parameters, lease.within, lease.used_by, lease.graph_app_roles)
    return AuditEvent(
        at=ports.now(),
        operation="deliver",
        outcome=Outcome.DONE,
        request_id=request_id,
        role=lease.id.role,
        lease=lease.id,
        reason=lease.reason,
        granted=granted,
    )


def _role_as_asked_for(ports: Ports, role: Role | None, lease: Lease) -> Role:
    """Returns the role as the caller has asked for it. Raises ``Conflict`` or ``RoleOutdated`` if it is not so any more."""
    if role is None:
        raise role_changed()
    filled = refilled(ports, role, lease)
    require_same_target(ports, lease, filled)
    if not ports.courier.still_fits(role.delivery, lease):
        raise role_changed()
    _require_current(ports, role)
    return filled


def _role_and_order(ports: Ports, role: Role | None, lease: Lease) -> tuple[Role, Order]:
    """Returns the role as somebody has asked for it, and what to make. Raises as ``_role_as_asked_for`` and ``_order``."""
    if lease.is_for_pool and role is not None:
        _require_current(ports, role)
        return role, order_for_pool(ports, role, lease.id)
    filled = _role_as_asked_for(ports, role, lease)
    return filled, _order(ports, filled, lease)


def _require_current(ports: Ports, role: Role) -> None:
    if faults := broken_by(ports, role):
        raise RoleOutdated(audit_reason="; ".join(f"{fault.path}: {fault.message}" for fault in faults))


async def _tell_failed(ports: Ports, lease: Lease, code: str) -> None:
    if lease.is_for_pool:
        await tell_failed(ports, lease.id.role, code)


def _order(ports: Ports, role: Role, lease: Lease) -> Order:
    """Raises ``Conflict`` if the role of today has no such credential for this ask.

    The ends are the same for each worker that prepares the lease: what one has made, the next one finds.
    """
    end = lease.planned_at + timedelta(seconds=lease.max_ttl) + SECRET_SLACK
    return Order(
        lease.id,
        lease.known_holder,
        role.target,
        end,
        ports.within(ports.timing.mint),
        asked=asked_again(ports, lease, role),
        claimed=bool(lease.claim),
        last_end=end + timedelta(seconds=ports.timing.prepare + ports.timing.collect),
    )


async def _delayed(ports: Ports, lock: LeaseLock, failure: Upstream) -> Lease | None:
    """Nobody works on the lease until the sweep sends its message again, or ends it because its time is over."""
    log.warning("the preparation of lease %s is delayed: %s", lock.lease.id, failure)
    asked = failure.retry_after if isinstance(failure, Throttled) else None
    try:
        return await lock.release(lambda it: waiting_for_sweep(ports, it, max(_AGAIN, asked or 0.0)))
    except LostRace:
        return await ports.leases.get(lock.lease.id)


async def fail(ports: Ports, request_id: str, lease: Lease, code: str) -> Lease | None:
    """Ends a lease that was never handed out, for an error with that code, as far as possible at once.

    Returns the lease as it then stands. If another worker has moved it, does nothing. Raises ``Upstream`` if storage fails.
    """
    lock = LeaseLock(ports, lease)
    async with lock:
        return await _end(ports, request_id, lock, lambda it: it.failing(code, ports.now(), lock.until()))


async def _end(ports: Ports, request_id: str, lock: LeaseLock, change: Callable[[Lease], Lease]) -> Lease | None:
    try:
        await lock.move(change)
        return await undo(ports, lock, request_id=request_id, within=ports.timing.inline_undo)
    except LostRace:
        return await ports.leases.get(lock.lease.id)
