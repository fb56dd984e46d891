"""Acting on an event by one rule. What it does can be repeated, and can stop anywhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from shared.broker.events import telling
from shared.broker.events.end import end_leases, revoke_by, tidy
from shared.broker.events.lent import holder_today, lender_today
from shared.broker.events.look import look_at_subject
from shared.broker.events.outcome import DONE, NotYet, Outcome
from shared.broker.events.recorded import key_of, living, named_lease
from shared.broker.events.taking import faults_of_taking
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.ports import Actor, Ports
from shared.core.caller import Caller
from shared.core.delivery import DeliveryAsk
from shared.core.errors import Forbidden, LeaseholdError, LostRace, Malformed, NotFound, Unreadable, Upstream
from shared.core.events.action import SUBJECT_ID, Issuing, Revoking
from shared.core.events.event import Event
from shared.core.events.event_rule import EventRule
from shared.core.events.rule_lease import ON_ITS_WAY, RuleLease, within_the_hour
from shared.core.lease import Cause, State
from shared.core.names import LeaseId, ObjectId, Scope
from shared.core.ports.resources import ResourceState

log = logging.getLogger(__name__)

_LONGEST_VALUE = 256
"""Characters of a value in a lease's metadata, as a caller may write it."""
_EVENT = "event"
"""Which event a lease was issued for, in its metadata."""
_OVER = frozenset({Cause.EXPIRED, Cause.REVOKED})
"""A lease that ended otherwise may have come to nothing: its event has to bring another one, if it comes again."""


async def act(ports: Ports, request_id: str, event: Event, rule: EventRule) -> Outcome:
    """Does what the rule says, if the event is true. Raises ``Upstream`` if storage fails: then it is to be tried again."""
    match rule.terms.action if rule.terms is not None else None:
        case Revoking() as action:
            return await revoke_by(ports, request_id, event, rule, action)
        case Issuing() as action:
            return await IssueBy(ports, request_id, event, rule, action).run()
        case _:
            return DONE


@dataclass(frozen=True, slots=True)
class IssueBy:
    """One event, and one rule that issues."""

    ports: Ports
    request_id: str
    event: Event
    rule: EventRule
    action: Issuing
    succeeding: LeaseId | None = None
    """A live lease of the subject that is to have a successor; ``None`` if one that lives is enough."""

    async def run(self) -> Outcome:
        """Issues a lease, unless one lives for this subject and holder already. A former holder's lease is ended first."""
        holder = await self._holder()
        if not isinstance(holder, str):
            return holder
        records = await self.ports.rule_leases.of_rule(self.rule.name)
        mine = next((each for each in records if each.is_of(self.event.subject) and each.holder == holder), None)
        if (known := await self._known(mine)) is not None:
            if known is DONE:
                await self._end_others(records, holder)
            return known
        lent = await self._lent(holder)
        if not isinstance(lent, tuple):
            return lent
        if self.rule.terms is not None and within_the_hour(records, self.ports.now()) >= self.rule.terms.max_per_hour:
            return NotYet("max_per_hour: the rule has issued as often within an hour as it may")
        await self._end_others(records, holder)
        try:
            record = await self.ports.rule_leases.put(await self._record(mine, holder))
        except LostRace:
            return NotYet("another worker is at it")
        return await self._issue(record, mine, *lent)

    async def _holder(self) -> ObjectId | Outcome:
        """Returns who is to hold the lease, as Azure says now."""
        found = await look_at_subject(self.ports, self.request_id, self.event, self.rule)
        if isinstance(found, NotYet):
            return found
        if found.state is ResourceState.GONE:
            if not self.event.attempt:
                # The look may be five seconds old, and the resource may be fresh.
                return NotYet("the subject is not there")
            await self._tell("the subject is not there", code="event_forged", once="forged")
            return DONE
        holder = self.action.holder or found.identity
        return holder if holder is not None else NotYet("the subject has no identity, or several and no one of its own")

    async def _known(self, mine: RuleLease | None) -> Outcome | None:
        """Returns what a record that is there says: ``DONE`` if its lease lives, or was this very event's and has had its time;
        ``None`` if there is no such lease.
        """
        if mine is None:
            return None
        try:
            lease = await named_lease(self.ports, mine)
        except Unreadable as unread:
            log.error("%s", unread)  # noqa: TRY400 - its frames say no more
            return NotYet("its lease cannot be read")
        if lease is None:
            return NotYet("another worker is at it") if self.ports.now() < mine.at + ON_ITS_WAY else None
        if lease.id == self.succeeding:
            return None
        generation = await self.ports.generations.get(lease.id.role)
        if (seen := lease.under(generation.number)).state.is_open:
            return DONE if lease.state is State.ACTIVE else NotYet("its lease is being made")
        # An event may come twice. Whoever has revoked its lease does not want another one for the same write.
        had_it = seen.cause in _OVER and lease.metadata.get(_EVENT) == self._event_id
        return DONE if had_it else None

    async def _lent(self, holder: ObjectId) -> tuple[Caller, Caller] | Outcome:
        """Returns the lender and the holder as they are today."""
        lender = self.rule.lender
        try:
            caller = await lender_today(self.ports, lender) if lender is not None else None
            if caller is None:
                return await self._denied("the directory does not know the rule's writer any more, or has disabled it")
            if await self.ports.leased.find([holder]) is not None:
                return await self._denied("the holder is a principal that a lease has made")
            if why := await self._out_of_reach():
                return await self._denied(why)
            held_by = await holder_today(self.ports, holder)
        except Upstream as failure:
            return NotYet(failure.brief())
        if held_by is None:
            return NotYet("the directory does not know the holder yet")
        return caller, held_by

    async def _out_of_reach(self) -> str:
        """Returns why the holder would not get what a lease gives; empty if it would. The role may have changed since the rule
        was checked.
        """
        role = await self.ports.roles.get(self.action.role)
        faults = [*faults_of_taking(self.ports, role, self.action)] if role is not None and not role.is_unreadable else []
        return f"{faults[0].path}: {faults[0].message}" if faults else ""

    async def _record(self, mine: RuleLease | None, holder: ObjectId) -> RuleLease:
        now = self.ports.now()
        lease_id = LeaseId.of(self.action.role, self.ports.ids.ulid(now))
        # One transaction then writes the lease and its key: about one id in sixteen fits.
        while not key_of(self.ports, lease_id).is_beside:
            lease_id = LeaseId.of(self.action.role, self.ports.ids.ulid(now))
        of_subject = self.action.holder is None
        if mine is not None:
            return replace(mine.replaced(lease_id, now, await living(self.ports, mine)), of_subject=of_subject)
        return RuleLease(self.rule.name, self.event.subject, holder, lease_id, now, of_subject=of_subject)

    async def _issue(self, record: RuleLease, former: RuleLease | None, lender: Caller, holder: Caller) -> Outcome:
        # Its leases count among their holder's, and never among what the lender asks for within a minute.
        ports = replace(self.ports, limits=replace(self.ports.limits, issues_per_minute=0))
        actor = Actor(lender, self.request_id)
        try:
            made = await issue(ports, actor, self._request(holder), key=key_of(ports, record.lease_id))
        except LeaseholdError as failure:
            with suppress(LostRace):
                await self._take_back(record, former)
            return await self._failed(failure)
        if made.lease.id != record.lease_id:
            # It stood in a pool, under its own id. Until the record says so, a key leads to it.
            with suppress(LostRace):
                await self.ports.rule_leases.put(replace(record, lease_id=made.lease.id))
        await self._issued(made)
        return DONE

    async def _take_back(self, record: RuleLease, former: RuleLease | None) -> None:
        """The record named a lease that has come to nothing. If others of it live, it names what it named before."""
        if former is not None and record.earlier:
            await self.ports.rule_leases.put(replace(former, version=record.version))
        else:
            await self.ports.rule_leases.remove(record)

    async def _issued(self, made: Issued) -> None:
        await telling.tell(
            self.ports, self.request_id, self.event, rule=self.rule.name, role=made.lease.id.role, lease=made.lease.id
        )
        if await self.ports.rule_leases.denied_since(self.rule.name) is not None:
            await self.ports.rule_leases.note_denied(self.rule.name, None)

    async def _failed(self, failure: LeaseholdError) -> Outcome:
        """What passes is tried again; whatever is refused to the lender, or cannot be asked of the role of today, is not."""
        if isinstance(failure, Forbidden | NotFound | Malformed):
            return await self._denied(f"{failure.stable_code}: {failure.audit_reason}")
        return NotYet(failure.brief() if isinstance(failure, Upstream) else failure.stable_code)

    async def _denied(self, why: str) -> Outcome:
        await self._tell(why, code="event_denied", once="denied")
        if await self.ports.rule_leases.denied_since(self.rule.name) is None:
            await self.ports.rule_leases.note_denied(self.rule.name, self.ports.now())
        return DONE

    def _request(self, holder: Caller) -> IssueRequest:
        action, subject = self.action, self.event.subject
        parameters: dict[str, Any] = {name: _filled(value, subject) for name, value in action.parameters}
        within = Scope.parse(subject if action.within == SUBJECT_ID else action.within) if action.within else None
        metadata = {_EVENT: self._event_id, "rule": self.rule.name, "subject": subject[:_LONGEST_VALUE]}
        ask = AskedFor(parameters, within)
        delivery = DeliveryAsk(action.vault) if action.vault else None
        return IssueRequest(
            action.role,
            action.ttl,
            metadata=metadata,
            ask=ask,
            delivery=delivery,
            holder=holder,
            by_rule=self.rule,
            rotates=action.rotate,
            succeeds=self.succeeding,
        )

    @property
    def _event_id(self) -> str:
        return self.event.id[:_LONGEST_VALUE]

    async def _end_others(self, records: Sequence[RuleLease], holder: ObjectId) -> None:
        """Ends the leases of other holders for this subject: it has another identity now."""
        others: list[LeaseId] = []
        for each in records:
            if each.is_of(self.event.subject) and each.holder != holder:
                if live := await living(self.ports, each):
                    others += live
                else:
                    await tidy(self.ports, each)
        for lease_id in others:
            reason = f"subject_replaced: the holder is {holder} now"
            await self._tell(reason, code="event_replaced", once=f"replaced {lease_id}", lease=lease_id)
        await end_leases(self.ports, others, Cause.SUBJECT_REPLACED)

    async def _tell(self, reason: str, *, code: str, once: str, lease: str = "") -> None:
        role = self.action.role
        await telling.tell(
            *(self.ports, self.request_id, self.event),
            code=code,
            reason=reason,
            rule=self.rule.name,
            role=role,
            lease=lease,
            once=once,
        )


def _filled(value: str, subject: str) -> str:
    """Returns a value of a parameter: what it refers to in the verified subject, or itself."""
    segments = subject.removeprefix("/").split("/")
    match value:
        case "subject.subscription_id":
            return segments[1].lower()
        case "subject.resource_group":
            return segments[3]
        case "subject.resource_name":
            return segments[-1]
        case _:
            return value
