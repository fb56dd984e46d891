"""Issuing a credential under a new lease."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import overload

from shared.broker.access import issuing_from
from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.issue.admission import admit
from shared.broker.issue.ask_rate import AskRate
from shared.broker.issue.asking import AskedFor, Filled, event_of, filled_and_generation, missing_error, missing_in_azure
from shared.broker.issue.clean_up import CleanUp
from shared.broker.issue.look_at_role import look_at_role
from shared.broker.issue.mint import Minting
from shared.broker.issue.preparations import Accepted, Preference, accepted, as_asked, leave_to_queue, require_room
from shared.broker.issue.prove import Proven, known_already, prove, untried
from shared.broker.issue.under_key import open_lease
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.definitions import read_for_the_first_time, was_never_read
from shared.broker.reconcile.scopes import look_for_scopes
from shared.broker.reconcile.stored_roles import look_at_one
from shared.broker.rules import require_current, withhold_faults
from shared.core.access.decide import Decision
from shared.core.credential import Credential
from shared.core.errors import (
    Absent,
    AmbiguousRefusal,
    ConcurrentChange,
    Fault,
    Forbidden,
    Interrupted,
    LeaseholdError,
    LostRace,
    Malformed,
    NotReplicated,
    Rejected,
    RoleOutdated,
    Throttled,
    TooManyIssues,
    Unreadable,
    Upstream,
)
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Holder, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.parameters.errors import TargetMissing
from shared.core.preparing import OutOfTime
from shared.core.role import MIN_TTL, Role
from shared.kinds.kind import Asking, Order
from shared.kinds.optional import hands_out_again
from shared.kinds.target_digest import target_digest
from shared.resilience.priority import limit_deadline
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

SECRET_SLACK = timedelta(minutes=10)
"""How much longer than its lease a secret may live by Entra's clock: what minting takes, and what clocks differ."""
LAST_CALL = timedelta(seconds=30)
"""How long a call to Azure that has begun in time may still take."""
_REMOVAL = 10.0
"""Seconds within which a credential is removed whose caller has no more time to wait for its proof."""
_BETWEEN_TRIES = 7.5
"""The longest pause of ``Retry`` between two tries, in seconds."""
_OUT_OF_TIME = (OutOfTime, NotReplicated, ConcurrentChange)
"""What passes by itself, and is raised only when the time is used up. Azure's limits and failures are told at once."""


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


@overload
async def issue(
    ports: Ports,
    actor: Actor,
    wanted: IssueRequest,
    *,
    key: IdempotencyKey | None = None,
    deadline: float | None = None,
    preference: None = None,
) -> Issued: ...


@overload
async def issue(
    ports: Ports,
    actor: Actor,
    wanted: IssueRequest,
    *,
    key: IdempotencyKey | None = None,
    deadline: float | None = None,
    preference: Preference | None,
) -> Issued | Accepted: ...


async def issue(
    ports: Ports,
    actor: Actor,
    wanted: IssueRequest,
    *,
    key: IdempotencyKey | None = None,
    deadline: float | None = None,
    preference: Preference | None = None,
) -> Issued | Accepted:
    """Raises ``Forbidden``, ``NotFound``, ``RoleOutdated``, ``Malformed`` (ttl), ``TooMany``, ``Upstream``, ``Interrupted``,
    and what the issuer refuses before it makes anything (``Conflict``).

    Whatever it raises, nothing is left behind: what could not be undone at once is the sweep's. With a ``key``, which names the
    lease, ``LostRace`` says that the key is another lease's. ``deadline``: when to give up, unless that is sooner. Without a
    ``preference`` the caller waits for as long as an issue may take, and takes a credential that is not proven. With one, the
    answer is ``Accepted`` if the credential is not made and proven in the time that the caller waits.
    """
    rate = AskRate.of(ports, actor.caller)
    filled, generation, decision = await role_asked_for(ports, actor, wanted, rate)
    role = filled.role.cut_to(ports.limits.max_ttl)
    order, planned = plan(ports, actor, wanted, replace(filled, role=role), key)
    planned = replace(planned, generation=generation)
    waits_until = _waits_until(ports, order, deadline, preference)
    order = replace(order, deadline=min(order.deadline, waits_until))
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
        await _look_again(ports, lock, role, rate, is_async=preference is not None and preference.is_async)
        minting = Minting(ports.kinds.of(role), order, planned.footprint)
        attempt = _Attempt(ports, replace(actor, decision=decision), lock, minting, preference, waits_until)
        clean_up = CleanUp(ports, actor.id, lock, minting)
        try:
            return await attempt.carry_out()
        except LostRace as lost:
            await clean_up.run()
            raise Interrupted from lost
        except Rejected as refused:
            # Refused before anything was made, or once something was prepared that the credential cannot be added to.
            await (lock.forget() if clean_up.has_made_nothing else clean_up.run())
            await look_at_role(ports, actor.id, filled.template, refused)
            withhold_faults(actor.caller, refused)
            raise
        except Throttled:
            await clean_up.leave_to_sweep()
            raise
        except LeaseholdError as failure:
            await clean_up.run()
            await look_at_role(ports, actor.id, filled.template, failure)
            raise


def _waits_until(ports: Ports, order: Order, deadline: float | None, preference: Preference | None) -> float:
    """When the caller is to be answered, on the monotonic clock. One that takes what is not proven waits for it to be made."""
    until = order.deadline if deadline is None else min(order.deadline, deadline)
    return until if preference is None or preference.is_lenient else min(until, ports.within(preference.seconds))


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


def plan(
    ports: Ports, actor: Actor, wanted: IssueRequest, filled: Filled, key: IdempotencyKey | None = None
) -> tuple[Order, Lease]:
    """Returns what to mint, and the lease as it is before anything is made.

    Raises ``Malformed`` (ttl, fields about the credential), and ``Conflict`` or ``Forbidden`` if the caller cannot be given
    what the role mints.
    """
    now, caller, role = ports.now(), actor.caller, filled.role
    ttl = lifetime_of(role, wanted)
    longest = timedelta(seconds=role.max_ttl if role.renewable else ttl)
    lease_id = key.lease_id if key else LeaseId.of(role.name, ports.ids.ulid(now))
    holder = Holder(caller.object_id, caller.tenant_id, caller.app_id, caller.name)
    kind, until = ports.kinds.of(role), now + longest
    # Nobody may wait for the lease: then its time begins when it is collected.
    last_end = until + timedelta(seconds=ports.timing.prepare + ports.timing.collect)
    order = Order(
        lease_id,
        holder,
        role.target,
        until + SECRET_SLACK,
        ports.within(ports.timing.mint),
        holder_type=caller.kind,
        asked=kind.schema.asked(role.target, Asking(wanted.ask.credential, filled.asker, now, last_end)),
        last_end=last_end + SECRET_SLACK,
    )
    footprint = kind.issuer.plan(order)
    lease = Lease(
        id=lease_id,
        type=role.type,
        state=State.PLANNED,
        holder=holder,
        parts=(footprint,),
        scopes=ports.kinds.scopes_of(footprint),
        used_by=ports.kinds.used_by(footprint),
        graph_app_roles=ports.kinds.graph_app_roles_of(footprint),
        parameters=filled.values,
        within=filled.within or "",
        planned_at=now,
        issued_at=now,
        expires_at=now + timedelta(seconds=ttl),
        max_expires_at=now + longest,
        due_at=now + timedelta(seconds=ports.timing.lease_lock),
        made_by=now + timedelta(seconds=ports.timing.mint) + LAST_CALL,
        ttl=ttl,
        max_ttl=role.max_ttl,
        renewable=role.renewable,
        metadata=wanted.metadata,
        reason=wanted.reason,
        key_digest=key.digest if key else "",
        target_digest=target_digest(ports.kinds, role.target),
        asked=wanted.ask.credential,
    )
    return order, lease


def lifetime_of(role: Role, wanted: IssueRequest) -> int:
    """Returns the seconds that the lease lasts. Raises ``Malformed``."""
    ttl = role.ttl if wanted.ttl is None else wanted.ttl
    if not MIN_TTL <= ttl <= role.max_ttl:
        message = f"expected {MIN_TTL} to {role.max_ttl} seconds"
        raise Malformed(Fault("ttl", message), code="ttl_out_of_range")
    return ttl


async def _look_again(ports: Ports, lock: LeaseLock, role: Role, rate: AskRate, *, is_async: bool) -> None:
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
        if is_async:
            await require_room(ports, lock.lease)
    except (Rejected, Interrupted, Unreadable):
        await lock.forget()
        raise


@dataclass(slots=True)
class _Attempt:
    """One go at issuing. ``waits_until``: when the caller is to be answered, on the monotonic clock."""

    ports: Ports
    actor: Actor
    lock: LeaseLock
    minting: Minting
    preference: Preference | None
    waits_until: float

    async def carry_out(self) -> Issued | Accepted:
        if self.preference is not None and self.preference.is_async:
            return await self._leave_to_queue(self.preference)
        try:
            with limit_deadline(self.ports.within(self.ports.timing.throttled)):
                credential = await self.minting.run()
        except Upstream as failure:
            if self.preference is None or not self._is_out_of_time(failure):
                raise
            return await self._leave_to_queue(self.preference)
        proven = await self._prove(credential)
        learned = self.minting.learned
        # Before the credential leaves: what it signs in as must never be taken for a caller.
        await self.ports.leased.note(self.minting.kind.schema.principals(learned), self.minting.order.lease_id)
        if not proven.ready and self.wants_proof and self.preference is not None and not self.preference.is_lenient:
            return await self._leave_prepared(self.preference)
        ready, readiness, ends = proven.ready, proven.readiness, credential.ends_at
        # Less may have been made than was planned.
        scopes = self.ports.kinds.scopes_of(learned)
        lease = await self.lock.release(
            lambda it: replace(it.knowing(learned), scopes=scopes).activated(
                self.ports.now(), ready=ready, readiness=readiness, tokens_until=ends
            )
        )
        event = event_of(self.ports, self.actor, "issue", lease)
        _, generation = await both(self.ports.audit.record(event), self.ports.generations.get(lease.id.role))
        if lease.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        self.ports.pace.note(lease.id.role, (self.ports.now() - lease.planned_at).total_seconds())
        return Issued(lease, credential)

    def _is_out_of_time(self, failure: Upstream) -> bool:
        """Whether only the caller's time is used up: Azure has not refused for good, and has not failed."""
        if isinstance(failure, _OUT_OF_TIME):
            return True
        # So Azure answers for a fresh object that a replica does not know yet. The doubt ends when the caller's time does.
        no_more_tries = self.ports.clock.monotonic() + _BETWEEN_TRIES >= self.minting.order.deadline
        return isinstance(failure, Absent | AmbiguousRefusal) and no_more_tries

    @property
    def wants_proof(self) -> bool:
        """Whether the role calls a credential ready only once it was seen to work."""
        return self.minting.order.target.ready != "none"

    async def _prove(self, credential: Credential) -> Proven:
        """Returns whether the credential was seen to work. A caller that takes an unproven one says how long it waits."""
        preference, minting = self.preference, self.minting
        known = known_already(self.ports, minting.kind, minting.order, self.lock.lease, is_accepted=minting.proven)
        if known is not None:
            return known
        if not self.wants_proof or (preference is not None and preference.is_in_a_hurry):
            return untried(self.ports, minting.order)
        until = minting.order.deadline
        if preference is not None and preference.is_lenient:
            until = min(until, self.ports.within(preference.seconds))
        return await prove(self.ports, minting.kind, minting.order, credential, deadline=until)

    async def _leave_to_queue(self, preference: Preference) -> Accepted:
        """A worker makes the lease while nobody waits. What is made already stays, but for a credential.

        The lease keeps its plan: whoever undoes it looks for what the plan names, whichever worker has made it.
        """
        if not preference.is_async:
            # Of others that was asked before anything was made.
            await require_room(self.ports, self.lock.lease)
        alone = await self._remove_credential()
        await self.ports.audit.record(event_of(self.ports, self.actor, "prepare", self.lock.lease))
        change = partial(_waiting, preference=preference, maybe_more=not alone)
        return accepted(self.ports, await leave_to_queue(self.ports, self.lock, change))

    async def _leave_prepared(self, preference: Preference) -> Accepted:
        """The holder collects the lease later, with another credential: this one is removed, and is nowhere."""
        await require_room(self.ports, self.lock.lease)
        alone = await self._remove_credential()
        await self.ports.audit.record(event_of(self.ports, self.actor, "prepare", self.lock.lease))
        prepared, now = self.minting.prepared, self.ports.now()
        collect_by = now + timedelta(seconds=self.ports.timing.collect)
        lease = await self.lock.release(
            lambda it: _waiting(it.knowing(prepared), preference, maybe_more=not alone).prepared(now, collect_by)
        )
        return accepted(self.ports, lease)

    async def _remove_credential(self) -> bool:
        """Removes what was added, as far as possible at once. Returns whether certainly no credential is left."""
        if not self.minting.has_begun_credential:
            return True
        kind, order = self.minting.kind, self.minting.order
        if hands_out_again(kind.issuer, order.target):
            # Nothing secret was made, and what was made is made again by the same name.
            return True
        if self.minting.credential_id is None:
            # A credential without an id goes with what holds it. One whose answer was lost is removed by whoever collects.
            return False
        order = replace(order, rotating=True, fresh=True, deadline=self.ports.within(_REMOVAL))
        try:
            return await kind.issuer.remove_former(order, self.minting.learned, maybe_more=False)
        except Upstream:
            log.warning("lease %s may have a credential more until it is collected", order.lease_id, exc_info=True)
            return False


def _waiting(lease: Lease, preference: Preference, *, maybe_more: bool) -> Lease:
    return replace(as_asked(lease, preference), maybe_more_secrets=lease.maybe_more_secrets or maybe_more)
