"""Ending leases because of what an event says."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable

from shared.broker.ending.enqueue import enqueue
from shared.broker.events import telling
from shared.broker.events.look import look_at_subject
from shared.broker.events.outcome import DONE, NotYet, Outcome
from shared.broker.ports import Ports
from shared.broker.revoke_reaching import make_due
from shared.core.errors import LostRace
from shared.core.events.action import Revoking
from shared.core.events.event import Event
from shared.core.events.event_rule import EventRule
from shared.core.events.rule_lease import HOUR, RuleLease
from shared.core.names import LeaseId, Scope
from shared.core.ports.resources import Look, ResourceState
from shared.core.reach import Reach
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

_AT_ONCE = 16


async def revoke_by(ports: Ports, request_id: str, event: Event, rule: EventRule, action: Revoking) -> Outcome:
    """Ends the leases that the rule says, if the subject is gone, or has another identity than their holders.

    The event comes before the first move: if the worker dies in between, there are two events rather than none. Repeating it
    ends those that are left.
    """
    found = await look_at_subject(ports, request_id, event, rule)
    if isinstance(found, NotYet):
        return found
    ended = [each async for each in _meant(ports, event, action, found)]
    if not ended and found.state is ResourceState.THERE:
        if not event.attempt:
            # The look may be five seconds old, and the deletion may be fresh.
            return NotYet("the subject is there")
        reason = "the subject is there: it was made again, or was never gone"
        await telling.tell(ports, request_id, event, code="event_forged", reason=reason, rule=rule.name, once="forged")
        return DONE
    await telling.tell(ports, request_id, event, reason=f"{len(ended)} leases are to end", rule=rule.name)
    await end_leases(ports, ended)
    return DONE


async def _meant(ports: Ports, event: Event, action: Revoking, found: Look) -> AsyncIterator[LeaseId]:
    is_gone = found.state is ResourceState.GONE
    if action.rule:
        for each in await ports.rule_leases.of_rule(action.rule):
            is_meant = each.is_at_or_below(event.subject) and (is_gone or each.holder not in found.principals)
            if is_meant and await is_live(ports, each.lease_id):
                yield each.lease_id
    elif action.of == "scope" and is_gone:
        async for lease in ports.leases.granted(Reach(Scope.parse(event.subject))):
            yield lease.id


async def is_live(ports: Ports, lease_id: LeaseId) -> bool:
    """Returns whether the lease stands, and nobody has begun to end it. One that cannot be read does not stand."""
    lease = await ports.leases.get(lease_id)
    return lease is not None and lease.state.is_open


async def end_leases(ports: Ports, lease_ids: Iterable[LeaseId]) -> None:
    """Moves each lease to ENDING, and lets the queue's workers take it back. What was moved is due: the sweep sees it."""
    wanted = [*lease_ids]
    for first in range(0, len(wanted), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        are_due = await all_of(*(make_due(ports, each) for each in some))
        if due := [lease_id for lease_id, is_due in zip(some, are_due, strict=True) if is_due]:
            await enqueue(ports, due)


async def tidy(ports: Ports, record: RuleLease) -> None:
    """Forgets a record whose lease is over, once it does not count in the rule's hour any more."""
    if record.at > ports.now() - HOUR or await is_live(ports, record.lease_id):
        return
    try:
        await ports.rule_leases.remove(record)
    except LostRace:
        log.info("the record of rule %s for %s names another lease by now", record.rule, record.subject)
