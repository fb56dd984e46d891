"""Deletions of which no event came: the hourly reconciliation looks at the resources of which rules would have heard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.broker.events.end import end_leases, tidy
from shared.broker.events.over import over_by_holder, over_by_rule
from shared.broker.events.recorded import alive, living, name_anew
from shared.broker.holder_resources import leases_of
from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Upstream
from shared.core.events.event_rule import EventRule
from shared.core.events.holder_resource import HolderResource
from shared.core.events.rule_lease import RuleLease
from shared.core.lease import Cause
from shared.core.names import LeaseId, Scope, Unparsable
from shared.core.ports.resources import Look

log = logging.getLogger(__name__)

MOST_LOOKS = 200
"""In one run."""
_BETWEEN_RUNS = timedelta(hours=1)

type _Record = RuleLease | HolderResource


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A record, and the rule that would revoke what it is about if an event of ``subject`` came. That is looked at."""

    record: _Record
    rule: str
    subject: str


async def look_at_subjects(ports: Ports, request_id: str) -> int:
    """Ends leases whose resource is gone, or has another identity, as if the event had come. Returns how many.

    It ends only what a rule revokes: what a rule has issued for the resource, or what the resource's identity holds. Forgets
    records of rules whose leases are over. Raises ``Upstream`` if storage fails.
    """
    records = [each async for each in ports.rule_leases.everything()]
    holders = [each async for each in ports.holder_resources.everything()]
    if not records and not holders:
        return 0
    rules = await ports.event_rules.list()
    about: list[_Record] = [*await _live(ports, records), *holders]
    suspects = [each for each in (_suspect(rules, record) for record in about) if each is not None]
    return sum([await _end_if_over(ports, request_id, each) for each in _of_this_run(ports, suspects)])


async def _live(ports: Ports, records: Sequence[RuleLease]) -> list[RuleLease]:
    found: list[RuleLease] = []
    for record in records:
        stand = await alive(ports, record)
        if stand.leases:
            found.append(await name_anew(ports, stand))
        else:
            await tidy(ports, record)
    return found


def _of_this_run(ports: Ports, suspects: Sequence[_Suspect]) -> Sequence[_Suspect]:
    """Returns as many as one run looks at, the oldest first. The run an hour later goes on behind them, and begins anew."""
    by_age = sorted(suspects, key=lambda each: each.record.at)
    if len(by_age) <= MOST_LOOKS:
        return by_age
    first = int(ports.now().timestamp() / _BETWEEN_RUNS.total_seconds()) * MOST_LOOKS % len(by_age)
    return (by_age[first:] + by_age[:first])[:MOST_LOOKS]


def _suspect(rules: Sequence[EventRule], record: _Record) -> _Suspect | None:
    """Returns what is to be looked at: of several subjects that rules speak of, the nearest. ``None`` if none does."""
    resource = record.subject if isinstance(record, RuleLease) else record.resource
    found = [
        _Suspect(record, each.name, subject)
        for each in rules
        if each.terms is not None and _revokes(each, record) and (subject := each.terms.subject.at_or_above(resource))
    ]
    return max(found, key=lambda each: len(each.subject), default=None)


def _revokes(rule: EventRule, record: _Record) -> bool:
    if not rule.acts or rule.revokes is None:
        return False
    return rule.revokes.rule == record.rule if isinstance(record, RuleLease) else rule.ends_by_holder


async def _end_if_over(ports: Ports, request_id: str, suspect: _Suspect) -> int:
    try:
        found = await ports.resources.see(Scope.parse(suspect.subject))
    except (Unparsable, Upstream) as failure:
        log.info("%s of rule %s could not be looked at: %s", suspect.subject, suspect.rule, type(failure).__name__)
        return 0
    cause = await _cause(ports, suspect, found)
    if cause is None:
        return 0
    leases = await _leases(ports, suspect.record)
    for lease_id in leases:
        await _tell(ports, request_id, suspect, lease_id, cause)
    await end_leases(ports, leases, cause)
    return len(leases)


async def _cause(ports: Ports, suspect: _Suspect, found: Look) -> Cause | None:
    """Returns why the leases end, if Azure says so for certain."""
    if isinstance(suspect.record, RuleLease):
        return over_by_rule(suspect.record, suspect.subject, found)
    return await over_by_holder(ports, suspect.record, suspect.subject, found)


async def _leases(ports: Ports, record: _Record) -> Sequence[LeaseId]:
    return await (living(ports, record) if isinstance(record, RuleLease) else leases_of(ports, [record]))


async def _tell(ports: Ports, request_id: str, suspect: _Suspect, lease_id: LeaseId, cause: Cause) -> None:
    await ports.audit.record(
        AuditEvent(
            at=ports.now(),
            operation="event",
            outcome=Outcome.DONE,
            request_id=request_id,
            reason=f"no event came: {cause}",
            role=lease_id.role,
            lease=lease_id,
            rule=suspect.rule,
            subject=suspect.subject,
        )
    )
