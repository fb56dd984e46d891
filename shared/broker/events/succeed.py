"""Issuing the successor of a lease that an event rule rotates, under the same secret name.

A worker that takes the lease's message does what an event of the subject would make it do; only that the lease which lives is
not enough. The record of the rule names the successor before it is made, and the lease beside it, which lives until its own
end. The lease's row says last that it has a successor: if the worker dies anywhere before, the next message goes on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared.broker.events import telling
from shared.broker.events.act import IssueBy
from shared.broker.events.end import end_leases
from shared.broker.events.look import look_at_subject
from shared.broker.events.outcome import DONE, NotYet, Outcome
from shared.broker.events.recorded import named_lease
from shared.broker.ports import Ports
from shared.core.access.policy import PolicyName
from shared.core.errors import LostRace
from shared.core.events.action import Issuing
from shared.core.events.event import WRITTEN, Event
from shared.core.events.event_rule import EventRule
from shared.core.events.rule_lease import RuleLease
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.core.ports.resources import Look, ResourceState
from shared.resilience.priority import in_background


async def succeed(ports: Ports, request_id: str, lease_id: LeaseId) -> Outcome:
    """Issues the lease's successor, unless it has one, or is to have none. ``NotYet``: a later message tries again.

    A message that comes twice, or late, does no harm. Raises ``Upstream`` if storage fails, ``Unreadable``.
    """
    with in_background():
        lease = await _standing(ports, lease_id)
        if lease is None or not lease.is_to_be_succeeded(ports.now()):
            return DONE
        rule = await ports.event_rules.get(PolicyName(lease.rotating_rule))
        if rule is None:
            return await _settle(ports, lease)
        if not rule.acts:
            return NotYet("the rule is disabled, or cannot be read")
        record = await _record_of(ports, lease)
        if record is None:
            return NotYet("no record of the rule names the lease")
        if not _rotates(rule, record) or rule.issues is None:
            return await _settle(ports, lease)
        return await _Succession(ports, request_id, lease, rule, rule.issues, record).run()


@dataclass(frozen=True, slots=True)
class _Succession:
    """One worker's try. ``record`` names the lease, or one that has succeeded it."""

    ports: Ports
    request_id: str
    lease: Lease
    rule: EventRule
    action: Issuing
    record: RuleLease

    async def run(self) -> Outcome:
        """The subject decides first, as Azure shows it now; then the rule, as it is today, with its writer's rights."""
        ports, event = self.ports, self._event()
        found = await look_at_subject(ports, self.request_id, event, self.rule)
        if isinstance(found, NotYet):
            return found
        if why := self._is_over(found):
            # Whether the lease ends before its time, a rule says that revokes.
            await self._tell(f"{why}: its lease has no successor", self.lease.id)
            return await _settle(ports, self.lease)
        issued = await IssueBy(ports, self.request_id, event, self.rule, self.action, self.lease.id).run()
        return issued if isinstance(issued, NotYet) else await self._made_sure()

    def _is_over(self, found: Look) -> str:
        """Returns why nobody needs a successor; empty if the lease's holder does, or if that cannot be said yet."""
        if found.state is ResourceState.GONE:
            return "the subject is gone"
        holder = self.action.holder or found.identity
        return "the rule's leases are for another holder now" if holder not in {None, self.record.holder} else ""

    def _event(self) -> Event:
        """Returns the event that has not come. What is told of it once is told once a day."""
        lease, now = self.lease, self.ports.now()
        first_seen: datetime = max(lease.near_end, now.replace(hour=0, minute=0, second=0, microsecond=0))
        return Event(lease.id, "", WRITTEN, self.record.subject, "", first_seen)

    async def _made_sure(self) -> Outcome:
        """Now that the successor stands, who has revoked the lease or deleted the rule has either seen it or is seen here."""
        ports = self.ports
        lease = await ports.leases.get(self.lease.id)
        generation = await ports.generations.get(self.lease.id.role)
        rule = await ports.event_rules.get(PolicyName(self.rule.name))
        successor = await self._successor()
        if successor is None:
            return NotYet("it has no successor yet: the audit trail may say why")
        now = lease.under(generation.number) if lease is not None else None
        was_revoked = now is None or (now.state is not State.ACTIVE and now.cause is not Cause.EXPIRED)
        if was_revoked or rule is None:
            why = "the lease was revoked" if was_revoked else "the rule was deleted"
            await self._tell(f"{why} while its successor was made: that one ends as well", successor.id)
            await end_leases(ports, [successor.id])
        return await _settle(ports, lease) if lease is not None else DONE

    async def _successor(self) -> Lease | None:
        """Returns the other lease that the subject's record names, if that is active."""
        for each in await self.ports.rule_leases.of_rule(self.rule.name):
            if each.is_of(self.record.subject) and each.holder == self.record.holder:
                named = await named_lease(self.ports, each)
                return named if named is not None and named.id != self.lease.id and named.state is State.ACTIVE else None
        return None

    async def _tell(self, reason: str, lease_id: LeaseId) -> None:
        role = self.lease.id.role
        await telling.tell(
            *(self.ports, self.request_id, self._event()), reason=reason, rule=self.rule.name, role=role, lease=lease_id
        )


async def _standing(ports: Ports, lease_id: LeaseId) -> Lease | None:
    """Returns the lease; ``None`` if it is gone, or its role was revoked."""
    lease = await ports.leases.get(lease_id)
    if lease is None or lease.is_overtaken((await ports.generations.get(lease_id.role)).number):
        return None
    return lease


def _rotates(rule: EventRule, record: RuleLease) -> bool:
    """Returns whether the rule of today still rotates what it has issued for the subject."""
    if rule.terms is None or rule.issues is None:
        return False
    return rule.issues.rotate and rule.terms.subject.matches(record.subject)


async def _record_of(ports: Ports, lease: Lease) -> RuleLease | None:
    """Returns the record that names the lease, or has it among those that live beside the one that it names."""
    mine = [
        each for each in await ports.rule_leases.of_rule(lease.rotating_rule) if each.holder == lease.known_holder.object_id
    ]
    for each in mine:
        if lease.id in each.leases:
            return each
    for each in mine:
        named = await named_lease(ports, each)
        if named is not None and named.id == lease.id:
            return each
    return None


async def _settle(ports: Ports, lease: Lease) -> Outcome:
    """The sweep asks no more. If another worker has moved the lease meanwhile, it asks once more."""
    if lease.state is State.ACTIVE and lease.successor_at is not None:
        with suppress(LostRace):
            await ports.leases.swap(lease.succeeded(), former=lease)
    return DONE
