"""Issuing a credential under a new lease, or under one that stands ready in the role's pool."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import overload

from shared.broker.access import issuing_from
from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.holder_resources import note_holder
from shared.broker.issue.admission import admit
from shared.broker.issue.ask_rate import AskRate
from shared.broker.issue.asking import Filled, Missing, missing_error, missing_in_azure
from shared.broker.issue.attempt import Attempt, Issued
from shared.broker.issue.clean_up import CleanUp
from shared.broker.issue.deliver import Delivering
from shared.broker.issue.look_at_role import look_at_role
from shared.broker.issue.mint import Minting
from shared.broker.issue.planning import IssueRequest, plan, role_asked_for
from shared.broker.issue.preparations import Accepted, Preference, require_room
from shared.broker.pool.claim import Opened, Opening
from shared.broker.pool.tampering import gone, tell
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.scopes import look_for_scopes
from shared.broker.reconcile.stored_roles import look_at_one
from shared.broker.rules import withhold_faults
from shared.core.access.policy import PolicyName
from shared.core.errors import (
    Forbidden,
    Interrupted,
    LeaseholdError,
    LostRace,
    Rejected,
    Throttled,
    TooManyIssues,
    Unreadable,
    Upstream,
)
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Cause
from shared.core.names import RoleName
from shared.core.parameters.errors import TargetMissing
from shared.core.role import Role
from shared.resilience.tasks import both

__all__ = ["IssueRequest", "Issued", "issue", "require_may_issue"]

log = logging.getLogger(__name__)

_DECISIONS = 3
"""So often one request decides, if the role is written each time before its lease stands."""


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
    ask = _CallersAsk(AskRate.of(ports, actor.caller), _answers_by(ports, deadline, preference), key, wanted)
    for _ in range(_DECISIONS):
        with suppress(_RoleWrittenError):
            issuing, opening = await _decided(ports, actor, wanted, ask, preference)
            # Neither look nor note raises what is foreseen: what they do raise must not be lost behind a lost race.
            looking = both(missing_in_azure(ports, issuing.filled, opening.planned.id), _note_holder(ports, actor, wanted))
            (missing, _), opened = await both(looking, opening.next())
            while True:
                ask.key = opening.key
                async with LeaseLock(ports, opened.lease) as lock:
                    await issuing.look_again(opened, lock, missing)
                    attempt = issuing.attempt(opened, lock)
                    try:
                        made = attempt.carry_out()
                        return await made if opened.pooled is None else (await both(opened.refill(ports), made))[1]
                    except LeaseholdError as failure:
                        await issuing.clean_up(failure, opened, attempt)
                opened = await opening.next()
    raise Interrupted


async def _decided(
    ports: Ports, actor: Actor, wanted: IssueRequest, ask: _CallersAsk, preference: Preference | None
) -> tuple[_Issuing, Opening]:
    """Decides by the role of now, and plans. Raises as ``issue``."""
    filled, generation, decision = await role_asked_for(ports, actor, wanted, ask.rate)
    filled = replace(filled, role=filled.role.cut_to(ports.limits.max_ttl))
    order, planned = plan(ports, actor, wanted, filled, ask.key)
    order = replace(order, deadline=min(order.deadline, ask.answers_by))
    opening = Opening(ports, filled, order, replace(planned, generation=generation), ask.key)
    return _Issuing(ports, replace(actor, decision=decision), filled, ask, preference), opening


async def _note_holder(ports: Ports, actor: Actor, wanted: IssueRequest) -> None:
    # Of a holder for whom somebody else asks, it is noted already.
    if wanted.holder is None:
        await note_holder(ports, actor.caller)


def _answers_by(ports: Ports, deadline: float | None, preference: Preference | None) -> float:
    """When the caller is to be answered, on the monotonic clock. One that takes what is not proven waits for it to be made."""
    until = math.inf if deadline is None else deadline
    return until if preference is None or preference.is_lenient else min(until, ports.within(preference.seconds))


class _RoleWrittenError(Exception):
    """The role was written after the ask was decided on. Nothing was made, and the lease is gone, or back in its pool."""


@dataclass(slots=True)
class _CallersAsk:
    """One ask, however often it is decided on. ``answers_by``: when the caller is to be answered, on the monotonic clock."""

    rate: AskRate
    answers_by: float
    key: IdempotencyKey | None
    wanted: IssueRequest


@dataclass(slots=True)
class _Issuing:
    """One ask, which is decided."""

    ports: Ports
    actor: Actor
    filled: Filled
    ask: _CallersAsk
    preference: Preference | None

    def attempt(self, opened: Opened, lock: LeaseLock) -> Attempt:
        """Returns the go at making the lease that was opened."""
        ports, role, order = self.ports, self.filled.role, opened.order
        minting = Minting(ports.kinds.of(role), order, opened.lease.footprint)
        delivering = Delivering.of(ports, role, opened.lease)
        return Attempt(ports, self.actor, lock, minting, self.preference, order.deadline, delivering)

    async def clean_up(self, failure: LeaseholdError, opened: Opened, attempt: Attempt) -> None:
        """Takes back what a failed attempt has made, and raises what the caller is told.

        Returns only if what was claimed from the pool is gone: that lease is ending, and the next one may do.
        """
        ports, actor, filled, lock = self.ports, self.actor, self.filled, attempt.lock
        clean_up = CleanUp(ports, actor.id, lock, attempt.minting)
        is_nothing = not attempt.has_begun and isinstance(failure, Upstream)
        if not attempt.is_in_doubt and (is_nothing or opened.is_untouched(attempt.minting, failure)):
            await opened.withdraw(ports, lock)
            await look_at_role(ports, actor.id, filled.template, failure)
            raise failure
        match failure:
            case LostRace():
                await clean_up.run()
                raise Interrupted from failure
            case Rejected():
                # Refused before anything was made, or once something was prepared that the credential cannot be added to.
                is_nothing = clean_up.has_made_nothing and not attempt.is_in_doubt
                await (opened.withdraw(ports, lock) if is_nothing else clean_up.run())
                await look_at_role(ports, actor.id, filled.template, failure)
                withhold_faults(actor.caller, failure)
                raise failure
            case Throttled():
                await clean_up.leave_to_sweep()
                raise failure
        if opened.pooled is not None and (trouble := await gone(ports, opened.pooled, failure)) is not None:
            await tell(ports, actor.id, opened.pooled, trouble)
            clean_up.cause = Cause.VANISHED
            await clean_up.leave_to_sweep()
            return
        await clean_up.run()
        await look_at_role(ports, actor.id, filled.template, failure)
        raise failure

    async def _refuse_missing(self, opened: Opened, lock: LeaseLock, missing: Missing) -> None:
        """Raises why the ask is for what is not there. It counts, so that what there is cannot be tried out at any rate."""
        ports = self.ports
        _, wait = await both(opened.withdraw(ports, lock), self.ask.rate.count())
        error = missing_error(ports, self.filled, missing)
        if isinstance(error, TargetMissing) and not error.faults:
            # The caller has named nothing of what is missing: it is the role's.
            await look_at_one(ports, self.actor.id, self.filled.template, look_for_scopes)
        raise error if wait is None else TooManyIssues(retry_after=wait)

    async def look_again(self, opened: Opened, lock: LeaseLock, missing: Missing | None) -> None:
        """Now that the lease stands: who removes, changes or revokes a role, or counts its leases, has either seen it or is
        seen here. Counts the issue meanwhile. Raises as ``issue``, and ``_RoleWrittenError``; then the lease is gone, or back
        in the pool.
        """
        ports, role = self.ports, self.filled.role
        if missing is not None:
            await self._refuse_missing(opened, lock, missing)
        again = both(ports.roles.get(role.name), ports.generations.get(role.name))
        try:
            (found, generation), (wait, _) = await both(again, both(self.ask.rate.count(), opened.taken(ports)))
            _require_the_same(role, found, is_overtaken=lock.lease.is_overtaken(generation.number))
            if wait is not None:
                raise TooManyIssues(retry_after=wait)
            await self._require_rule()
            await admit(ports, lock.lease, role, since=generation.number)
            if self.preference is not None and self.preference.is_async:
                await require_room(ports, lock.lease)
        except (Rejected, Interrupted, Unreadable, _RoleWrittenError):
            await opened.withdraw(ports, lock)
            raise

    async def _require_rule(self) -> None:
        """Raises ``Interrupted`` if an event rule asks that was deleted or written meanwhile, or for a lease that was revoked.

        Whoever deletes the rule and ends what it has issued either sees the lease, which stands, or is seen here.
        """
        ports, wanted = self.ports, self.ask.wanted
        if wanted.by_rule is not None:
            rule = await ports.event_rules.get(PolicyName(wanted.by_rule.name))
            if rule is None or rule.version != wanted.by_rule.version:
                raise Interrupted
        if wanted.succeeds is not None:
            former = await ports.leases.get(wanted.succeeds)
            if former is None or not (former.state.is_open or former.cause is Cause.EXPIRED):
                raise Interrupted


def _require_the_same(decided_on: Role, found: Role | None, *, is_overtaken: bool) -> None:
    """Raises ``Forbidden`` if the role is gone, ``_RoleWrittenError`` if it was written or revoked since the decision."""
    if found is None:
        raise Forbidden
    if found.version != decided_on.version or is_overtaken:
        raise _RoleWrittenError
