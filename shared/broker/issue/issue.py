"""Issuing a credential under a new lease."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.broker.access import issuing_from
from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ending.undo import Freshness, undo
from shared.broker.issue.admission import admit
from shared.broker.issue.ask_rate import AskRate
from shared.broker.issue.asking import AskedFor, Filled, filled_and_generation, granted_by, missing_error, missing_in_azure
from shared.broker.issue.mint import Minting
from shared.broker.issue.under_key import open_lease
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.definitions import read_again, read_for_the_first_time, was_never_read
from shared.broker.reconcile.scopes import look_for_scopes
from shared.broker.reconcile.stored_roles import look_at_one
from shared.broker.reconcile.watched import look_again
from shared.broker.rules import require_current, withhold_faults
from shared.core.access.decide import Decision
from shared.core.credential import Credential
from shared.core.errors import (
    Absent,
    DefinitionGone,
    Fault,
    Forbidden,
    Interrupted,
    LeaseholdError,
    LostRace,
    Malformed,
    Refused,
    Rejected,
    RoleOutdated,
    Throttled,
    TooManyIssues,
    Unreadable,
)
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Cause, Holder, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.parameters.errors import TargetMissing
from shared.core.role import MIN_TTL, Role
from shared.kinds.kind import Asking, Order
from shared.kinds.target_digest import target_digest
from shared.resilience.priority import in_background, limit_deadline
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

SECRET_SLACK = timedelta(minutes=10)
"""How much longer than its lease a secret may live by Entra's clock: what minting takes, and what clocks differ."""
_LAST_CALL = timedelta(seconds=30)
"""How long a call to Azure that has begun in time may still take."""
_TRIES = 3
"""To take a failed lease over from whoever moved it: only a hold's renewal may come in between."""


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What the caller asks for. ``ttl`` in seconds, ``None`` for the role's."""

    role: RoleName
    ttl: int | None = None
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    ask: AskedFor = field(default_factory=AskedFor)


@dataclass(frozen=True, slots=True)
class Issued:
    """A lease in state ACTIVE, and its credential. The secret is nowhere else."""

    lease: Lease
    credential: Credential


async def require_may_issue(ports: Ports, actor: Actor, role: RoleName) -> None:
    """Returns if the caller may issue anything from the role now. A refusal counts as one of an issue. Raises as ``issue``."""
    await AskRate.of(ports, actor.caller).beside(issuing_from(ports, actor.caller, role))


async def issue(
    ports: Ports, actor: Actor, wanted: IssueRequest, *, key: IdempotencyKey | None = None, deadline: float | None = None
) -> Issued:
    """Raises ``Forbidden``, ``NotFound``, ``RoleOutdated``, ``Malformed`` (ttl), ``TooMany``, ``Upstream``, ``Interrupted``,
    and what the issuer refuses before it makes anything (``Conflict``).

    Whatever it raises, nothing is left behind: what could not be undone at once is the sweep's. With a ``key``, which names the
    lease, ``LostRace`` says that the key is another lease's. ``deadline``: when to give up, unless that is sooner.
    """
    rate = AskRate.of(ports, actor.caller)
    filled, generation, decision = await role_asked_for(ports, actor, wanted, rate)
    role = filled.role.cut_to(ports.limits.max_ttl)
    order, planned = _plan(ports, actor, wanted, replace(filled, role=role), key)
    planned = replace(planned, generation=generation)
    if deadline is not None:
        order = replace(order, deadline=min(order.deadline, deadline))
    # The look raises nothing that is foreseen: what it does raise must not be lost behind a lost race.
    missing, opened = await both(missing_in_azure(ports, filled, planned.id), open_lease(ports, planned, key))
    async with LeaseLock(ports, opened) as lock:
        if missing is not None:
            # It counts, so that what there is in Azure cannot be tried out at any rate.
            _, wait = await both(lock.forget(), rate.count())
            error = missing_error(ports, filled, missing)
            if isinstance(error, TargetMissing) and not error.faults:
                # The caller has named nothing of what is missing: it is the role's.
                await look_at_one(ports, actor.id, filled.template, look_for_scopes)
            raise error if wait is None else TooManyIssues(retry_after=wait)
        await _look_again(ports, lock, role, rate)
        minting = Minting(ports.kinds.of(role), order, planned.footprint)
        attempt = _Attempt(ports, replace(actor, decision=decision), lock, minting)
        try:
            return await attempt.carry_out()
        except LostRace as lost:
            await attempt.clean_up()
            raise Interrupted from lost
        except Rejected as refused:
            # Refused before anything was made, or once something was prepared that the credential cannot be added to.
            await (lock.forget() if attempt.has_made_nothing else attempt.clean_up())
            await _look_at_role(ports, actor, filled.template, refused)
            withhold_faults(actor.caller, refused)
            raise
        except Throttled:
            await attempt.leave_to_sweep()
            raise
        except LeaseholdError as failure:
            await attempt.clean_up()
            await _look_at_role(ports, actor, filled.template, failure)
            raise


async def role_asked_for(ports: Ports, actor: Actor, wanted: IssueRequest, rate: AskRate) -> tuple[Filled, int, Decision]:
    """Returns the role as it is asked for, its generation, and what has decided. Raises as ``issue``."""
    found = await rate.beside(filled_and_generation(ports, actor.caller, wanted.role, wanted.ask))
    if was_never_read(ports, found[0].template):
        await read_for_the_first_time(ports, actor.id, found[0].template)
        found = await filled_and_generation(ports, actor.caller, wanted.role, wanted.ask)
    require_current(ports, actor.caller, found[0].template)
    if was_never_read(ports, found[0].template):
        raise RoleOutdated(audit_reason="azure_roles: what the definitions allow cannot be read")
    return found


async def _look_at_role(ports: Ports, actor: Actor, role: Role, failure: LeaseholdError) -> None:
    """Where the failure may be the role's: the status then names the role, and no other issue begins in vain.

    ``role`` is as it is stored, and may be stored again: never a filled one, nor one with lifetimes cut.
    """
    if isinstance(failure, DefinitionGone):
        await look_at_one(ports, actor.id, role, read_again)
    elif isinstance(failure, Refused | RoleOutdated):
        await look_at_one(ports, actor.id, role, look_again)
        if isinstance(failure, Absent):
            await look_at_one(ports, actor.id, role, look_for_scopes)


def _plan(ports: Ports, actor: Actor, wanted: IssueRequest, filled: Filled, key: IdempotencyKey | None) -> tuple[Order, Lease]:
    now, caller, role = ports.now(), actor.caller, filled.role
    ttl = lifetime_of(role, wanted)
    longest = longest_of(role, ttl)
    lease_id = key.lease_id if key else LeaseId.of(role.name, ports.ids.ulid(now))
    holder = Holder(caller.object_id, caller.tenant_id, caller.app_id, caller.name)
    kind, until = ports.kinds.of(role), now + longest
    asked = kind.schema.asked(role.target, Asking(wanted.ask.credential, filled.asker, now, until))
    order = Order(lease_id, holder, role.target, until + SECRET_SLACK, ports.within(ports.timing.mint), asked=asked)
    footprint = kind.issuer.plan(order)
    lease = Lease(
        id=lease_id,
        type=role.type,
        state=State.PLANNED,
        holder=holder,
        parts=(footprint,),
        scopes=ports.kinds.scopes_of(footprint),
        used_by=ports.kinds.used_by(footprint),
        parameters=filled.values,
        within=filled.within or "",
        planned_at=now,
        issued_at=now,
        expires_at=now + timedelta(seconds=ttl),
        max_expires_at=now + longest,
        due_at=now + timedelta(seconds=ports.timing.lease_lock),
        made_by=now + timedelta(seconds=ports.timing.mint) + _LAST_CALL,
        ttl=ttl,
        max_ttl=role.max_ttl,
        renewable=role.renewable,
        metadata=wanted.metadata,
        reason=wanted.reason,
        key_digest=key.digest if key else "",
        target_digest=target_digest(ports.kinds, role.target),
    )
    return order, lease


def lifetime_of(role: Role, wanted: IssueRequest) -> int:
    """Returns the seconds that the lease lasts. Raises ``Malformed``."""
    ttl = role.ttl if wanted.ttl is None else wanted.ttl
    if not MIN_TTL <= ttl <= role.max_ttl:
        message = f"expected {MIN_TTL} to {role.max_ttl} seconds"
        raise Malformed(Fault("ttl", message), code="ttl_out_of_range")
    return ttl


def longest_of(role: Role, ttl: int) -> timedelta:
    """Returns the longest that a lease of ``ttl`` seconds can last, renewals included."""
    return timedelta(seconds=role.max_ttl if role.renewable else ttl)


async def _look_again(ports: Ports, lock: LeaseLock, role: Role, rate: AskRate) -> None:
    """Now that the lease stands: who removes, changes or revokes a role, or counts its leases, has either seen it or is seen
    here. Counts the issue meanwhile.
    """
    again = both(ports.roles.get(role.name), ports.generations.get(role.name))
    try:
        (found, generation), wait = await both(again, rate.count())
        if found is None or found.version != role.version or lock.lease.is_overtaken(generation.number):
            raise Forbidden if found is None else Interrupted
        if wait is not None:
            raise TooManyIssues(retry_after=wait)
        await admit(ports, lock.lease, role, since=generation.number)
    except (Rejected, Interrupted, Unreadable):
        await lock.forget()
        raise


@dataclass(slots=True)
class _Attempt:
    """One go at issuing."""

    ports: Ports
    actor: Actor
    lock: LeaseLock
    minting: Minting

    async def carry_out(self) -> Issued:
        kind, order = self.minting.kind, self.minting.order
        with limit_deadline(self.ports.within(self.ports.timing.throttled)):
            credential = await self.minting.run()
        wanted = order.target.ready == "token" and not self.minting.proven
        ready = self.minting.proven or (wanted and await kind.issuer.prove(credential, deadline=order.deadline))
        learned = self.minting.learned
        # Before the credential leaves: what it signs in as must never be taken for a caller.
        await self.ports.leased.note(kind.schema.principals(learned), order.lease_id)
        ends = credential.ends_at
        lease = await self.lock.release(
            lambda it: it.knowing(learned).activated(self.ports.now(), ready=ready, tokens_until=ends)
        )
        done = self.actor.done(self.ports, "issue", role=lease.id.role, lease=lease.id, reason=lease.reason)
        event = replace(done, granted=granted_by(lease.scopes, lease.parameters, lease.within, lease.used_by))
        _, generation = await both(self.ports.audit.record(event), self.ports.generations.get(lease.id.role))
        if lease.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        return Issued(lease, credential)

    @property
    def has_made_nothing(self) -> bool:
        """Whether no id was learned: if anything was made, its answer was lost."""
        return self.minting.learned == self.minting.planned

    async def leave_to_sweep(self) -> None:
        """To the sweep, ending already: deleting would be throttled as well, and the caller is to come back, not to wait."""
        try:
            if await self._claimed() is None:
                await self.clean_up()
        except LeaseholdError:
            log.warning("lease %s is left to the sweep as it stands", self.lock.lease.id, exc_info=True)

    async def clean_up(self) -> None:
        """As far as possible at once; the rest is the sweep's, which finds the lease as it stands."""
        try:
            # What the next caller is waiting for goes first.
            with in_background():
                await self._end()
        except LeaseholdError:
            log.warning("lease %s is left to the sweep", self.lock.lease.id, exc_info=True)

    async def _end(self) -> None:
        if (lease := await self._claimed()) is None:
            # Ended already, by a worker that may not have found all that was made here, and has deleted the rest just now.
            # No other worker looks again before the reconciliation: so this one is as patient as a sweep.
            deadline = self.ports.within(self.ports.timing.sweep_undo)
            await self.minting.kind.issuer.undo(self.minting.learned, fresh=True, deadline=deadline, again=True)
            return
        freshness = Freshness.THIS_WORKER_MADE_NOTHING if self.has_made_nothing else Freshness.THIS_WORKER
        async with LeaseLock(self.ports, lease) as lock:
            within = self.ports.timing.inline_undo
            await undo(self.ports, lock, request_id=self.actor.id, within=within, freshness=freshness)

    async def _claimed(self) -> Lease | None:
        """The lease, ending, with what was learned here; ``None`` if it has ended.

        Another worker that has moved it meanwhile may know less, and is relieved of it.
        """
        lock = self.lock
        for _ in range(_TRIES):
            try:
                return await lock.release(self._failed)
            except LostRace:
                stored = await self.ports.leases.get(self.lock.lease.id)
                if stored is None or not stored.state.is_live:
                    return None
                if stored.state is State.ACTIVE and stored.rotations:
                    raise LostRace("a repeat of the request hands it out") from None
                lock = LeaseLock(self.ports, stored)
        raise LostRace

    def _failed(self, lease: Lease) -> Lease:
        learned = self.ports.kinds.combined(self.minting.learned, lease.footprint)
        return lease.knowing(learned).ending(Cause.FAILED, self.ports.now(), self.lock.until())
