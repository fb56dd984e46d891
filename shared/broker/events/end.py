"""Ending leases because of what an event says."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from shared.broker.ending.enqueue import enqueue
from shared.broker.events import telling
from shared.broker.events.look import look_at_subject
from shared.broker.events.outcome import DONE, NotYet, Outcome
from shared.broker.events.over import over_by_holder, over_by_rule
from shared.broker.events.recorded import alive, living
from shared.broker.holder_resources import leases_of
from shared.broker.ports import Ports
from shared.broker.revoke_reaching import make_due
from shared.core.errors import LostRace
from shared.core.events.action import OF_HOLDER, Revoking
from shared.core.events.event import Event
from shared.core.events.event_rule import EventRule
from shared.core.events.rule_lease import HOUR, ON_ITS_WAY, RuleLease
from shared.core.lease import Cause
from shared.core.names import LeaseId, Scope
from shared.core.ports.resources import Look, ResourceState
from shared.core.reach import Reach
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Meant:
    """The leases that an event ends. ``on_its_way``: there is a record of another one, which is perhaps being opened now."""

    leases: tuple[LeaseId, ...] = ()
    on_its_way: bool = False


async def revoke_by(ports: Ports, request_id: str, event: Event, rule: EventRule, action: Revoking) -> Outcome:
    """Ends the leases that the rule says, if the subject is gone, or has another identity than their holders.

    The event comes before the first move: if the worker dies in between, there are two events rather than none. Repeating it
    ends those that are left.
    """
    found = await look_at_subject(ports, request_id, event, rule)
    if isinstance(found, NotYet):
        return found
    meant = await _meant(ports, event, action, found)
    if not meant.leases and found.state is ResourceState.THERE:
        if not event.attempt:
            # The look may be five seconds old, and the deletion may be fresh.
            return NotYet("the subject is there")
        reason = "the subject is there: it was made again, or was never gone"
        await telling.tell(ports, request_id, event, code="event_forged", reason=reason, rule=rule.name, once="forged")
        return DONE
    if meant.leases or not meant.on_its_way:
        await telling.tell(ports, request_id, event, reason=f"{len(meant.leases)} leases are to end", rule=rule.name)
    await end_leases(ports, meant.leases, Cause.SUBJECT_GONE if found.state is ResourceState.GONE else Cause.SUBJECT_REPLACED)
    return NotYet("a lease of the subject is being opened") if meant.on_its_way else DONE


async def _meant(ports: Ports, event: Event, action: Revoking, found: Look) -> Meant:
    if action.rule:
        return await _of_rule(ports, event, action.rule, found)
    return await (_of_holder if action.of == OF_HOLDER else _of_scope)(ports, event, found)


async def _of_rule(ports: Ports, event: Event, name: str, found: Look) -> Meant:
    records = [each for each in await ports.rule_leases.of_rule(name) if over_by_rule(each, event.subject, found) is not None]
    stand = await all_of(*(alive(ports, each) for each in records))
    return Meant(
        tuple(lease_id for each in stand for lease_id in each.leases),
        on_its_way=any(each.is_to_come and ports.now() < each.record.at + ON_ITS_WAY for each in stand),
    )


async def _of_holder(ports: Ports, event: Event, found: Look) -> Meant:
    records = await ports.holder_resources.at_or_below(event.subject)
    meant = [each for each in records if await over_by_holder(ports, each, event.subject, found) is not None]
    return Meant(tuple(await leases_of(ports, meant)))


async def _of_scope(ports: Ports, event: Event, found: Look) -> Meant:
    if found.state is not ResourceState.GONE:
        return Meant()
    reach = Reach(Scope.parse(event.subject))
    return Meant(tuple([each.id async for each in ports.leases.granted(reach)]))


async def end_leases(ports: Ports, lease_ids: Iterable[LeaseId], cause: Cause = Cause.REVOKED) -> None:
    """Moves each lease to ENDING, and lets the queue's workers take it back. What was moved is due: the sweep sees it."""
    wanted = [*lease_ids]
    for first in range(0, len(wanted), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        are_due = await all_of(*(make_due(ports, each, cause) for each in some))
        if due := [lease_id for lease_id, is_due in zip(some, are_due, strict=True) if is_due]:
            await enqueue(ports, due)


async def tidy(ports: Ports, record: RuleLease) -> None:
    """Forgets a record whose lease is over, once it does not count in the rule's hour any more."""
    if record.at > ports.now() - HOUR or await living(ports, record):
        return
    try:
        await ports.rule_leases.remove(record)
    except LostRace:
        log.info("the record of rule %s for %s names another lease by now", record.rule, record.subject)
