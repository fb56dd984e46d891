"""One go at issuing a lease that is stored: mint, prove, activate. If time runs out, the lease is made while nobody waits."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.issue.asking import event_of
from shared.broker.issue.deliver import Delivering
from shared.broker.issue.mint import Minting
from shared.broker.issue.preparations import Accepted, Preference, accepted, as_asked, leave_to_queue, require_room
from shared.broker.issue.prove import Proven, known_already, prove, untried
from shared.broker.ports import Actor, Ports
from shared.core.credential import Credential
from shared.core.errors import Absent, AmbiguousRefusal, ConcurrentChange, LostRace, NotReplicated, Upstream
from shared.core.lease import Lease
from shared.core.preparing import OutOfTime
from shared.kinds.optional import hands_out_again
from shared.resilience.priority import limit_deadline
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

_REMOVAL = 10.0
"""Seconds within which a credential is removed whose caller has no more time to wait for its proof."""
_BETWEEN_TRIES = 7.5
"""The longest pause of ``Retry`` between two tries, in seconds."""
_OUT_OF_TIME = (OutOfTime, NotReplicated, ConcurrentChange)
"""What passes by itself, and is raised only when the time is used up. Azure's limits and failures are told at once."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A lease in state ACTIVE, and its credential. The secret is nowhere else."""

    lease: Lease
    credential: Credential


@dataclass(slots=True)
class Attempt:
    """One go at issuing. ``waits_until``: when the caller is to be answered, on the monotonic clock."""

    ports: Ports
    actor: Actor
    lock: LeaseLock
    minting: Minting
    preference: Preference | None
    waits_until: float
    delivering: Delivering | None = None
    """Who puts the credential into a vault; ``None`` if it is answered."""
    has_begun: bool = field(default=False, init=False)
    """Whether anything may have been made, in Azure or in a vault."""
    is_in_doubt: bool = field(default=False, init=False)
    """Whether calls have begun whose answers may be lost. What is refused from then on has perhaps made something."""

    async def carry_out(self) -> Issued | Accepted:
        """Raises ``LostRace`` if another worker has moved the lease, ``Rejected``, ``Upstream``: nothing is undone yet."""
        if self.preference is not None and self.preference.is_async:
            return await self._leave_to_queue(self.preference)
        try:
            with limit_deadline(self.ports.within(self.ports.timing.throttled)):
                if self.delivering is not None:
                    await self.delivering.require_name(self.lock.lease, deadline=self.minting.order.deadline)
                self.has_begun = True
                credential = await self.minting.run()
        except Upstream as failure:
            return await self._out_of_time(failure)
        proven = await self._prove(credential)
        # Before the credential leaves: what it signs in as must never be taken for a caller.
        await self._note_principals()
        if not proven.ready and self.wants_proof and self.preference is not None and not self.preference.is_lenient:
            return await (self._leave_prepared if self.delivering is None else self._leave_to_queue)(self.preference)
        await self._remove_unheard()
        try:
            begins = await self._delivered(credential)
        except Upstream as failure:
            return await self._out_of_time(failure)
        return await self._activated(credential, proven, begins)

    async def _note_principals(self) -> None:
        """Makes no call for a lease out of a pool: its principals were noted before it came to stand there."""
        principals = self.minting.kind.schema.principals
        noted = principals(self.minting.planned) if self.minting.order.claimed else frozenset()
        await self.ports.leased.note(principals(self.minting.learned) - noted, self.minting.order.lease_id)

    async def _delivered(self, credential: Credential) -> datetime | None:
        """Puts the credential into its vault, if it is delivered. Returns when the lease's time begins; ``None`` for now."""
        if self.delivering is None:
            return None
        begins = self.ports.now()
        await self.delivering.put(self.lock, credential, begins=begins, deadline=self.minting.order.deadline)
        return begins

    async def _activated(self, credential: Credential, proven: Proven, begins: datetime | None) -> Issued:
        # The write may count although its answer is lost.
        self.is_in_doubt = True
        learned, ready, readiness, at = self.minting.learned, proven.ready, proven.readiness, proven.at
        ends = credential.ends_at
        maybe_more = self.lock.lease.maybe_more_secrets or self.minting.maybe_more
        # Less may have been made than was planned.
        lease = await self.lock.release(
            lambda it: self.ports.kinds.with_derived(replace(it.knowing(learned), maybe_more_secrets=maybe_more)).activated(
                begins or self.ports.now(), ready=ready, readiness=readiness, seen_at=at, tokens_until=ends
            )
        )
        event = event_of(self.ports, self.actor, "issue", lease)
        _, generation = await both(self.ports.audit.record(event), self.ports.generations.get(lease.id.role))
        if lease.is_overtaken(generation.number):
            raise LostRace("the role was revoked")
        self.ports.pace.note(lease.id.role, (self.ports.now() - lease.planned_at).total_seconds())
        return Issued(lease, self.ports.courier.delivered(lease) or credential)

    async def _out_of_time(self, failure: Upstream) -> Accepted:
        """Leaves the lease to a worker if only the caller's time is used up. Raises the failure otherwise."""
        if self.preference is None or not self._is_out_of_time(failure):
            raise failure
        return await self._leave_to_queue(self.preference)

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
        # The write that leaves it to the queue may count although its answer is lost.
        self.is_in_doubt = True
        if not preference.is_async:
            # Of others that was asked before anything was made.
            await require_room(self.ports, self.lock.lease)
        alone = await self._remove_credential()
        await self.ports.audit.record(event_of(self.ports, self.actor, "prepare", self.lock.lease))
        # What was claimed from a pool is made, for the most part.
        untouched = preference.is_async and not self.minting.order.claimed
        change = partial(_waiting, preference=preference, maybe_more=not alone, untouched=untouched)
        return accepted(self.ports, await leave_to_queue(self.ports, self.lock, change))

    async def _leave_prepared(self, preference: Preference) -> Accepted:
        """The holder collects the lease later, with another credential: this one is removed, and is nowhere."""
        self.is_in_doubt = True
        await require_room(self.ports, self.lock.lease)
        alone = await self._remove_credential()
        await self.ports.audit.record(event_of(self.ports, self.actor, "prepare", self.lock.lease))
        prepared, now = self.minting.prepared, self.ports.now()
        collect_by = now + timedelta(seconds=self.ports.timing.collect)
        lease = await self.lock.release(
            lambda it: _waiting(it.knowing(prepared), preference, maybe_more=not alone).prepared(now, collect_by)
        )
        return accepted(self.ports, lease)

    async def _remove_unheard(self) -> None:
        """Removes a credential whose answer was lost, as far as Azure shows it. What it does not show, a repeat looks for."""
        if not self.minting.maybe_more:
            return
        order = replace(self.minting.order, rotating=True, fresh=True, deadline=self.ports.within(_REMOVAL))
        keeping = self.minting.credential_id
        try:
            await self.minting.kind.issuer.remove_former(order, self.minting.learned, maybe_more=True, keeping=keeping)
        except Upstream:
            log.warning("lease %s may have a credential more until it ends", order.lease_id, exc_info=True)

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
            return await kind.issuer.remove_former(order, self.minting.learned, maybe_more=self.minting.maybe_more)
        except Upstream:
            log.warning("lease %s may have a credential more until it is collected", order.lease_id, exc_info=True)
            return False


def _waiting(lease: Lease, preference: Preference, *, maybe_more: bool, untouched: bool = False) -> Lease:
    maybe_more = lease.maybe_more_secrets or maybe_more
    return replace(as_asked(lease, preference), maybe_more_secrets=maybe_more, is_untouched=untouched)
