"""Deletions of which no event came: the hourly reconciliation looks at the resources of which rules would have heard."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.broker.events.end import end_leases, is_live, tidy
from shared.broker.events.over import over_by_holder, over_by_rule
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
    """A record, and the rule that revokes what it is about when the resource is gone."""

    record: _Record
    rule: str

    @property
    def resource(self) -> str:
        """What is looked at."""
        return self.record.subject if isinstance(self.record, RuleLease) else self.record.resource


async def look_at_subjects(ports: Ports, request_id: str) -> int:
    """Ends leases whose resource is gone, or has another identity, as if the event had come. Returns how many.

    It ends only what a rule revokes: what a rule has issued for the resource, or what the resource's identity holds. Forgets
    records of rules whose leases are over. Raises ``Upstream`` if storage fails.
    """
    records = [each async for each in ports.rule_leases.everything()]
    holders = [each async for each in ports.holder_resources.everything()]
    if not records and not holders:
        return 0
    rules = {each.name: each for each in await ports.event_rules.list()}
    suspects = [
        *[_Suspect(each, by) for each in await _live(ports, records) if (by := _revoking(rules, each))],
        *[_Suspect(each, by) for each in holders if (by := _ending(rules, each))],
    ]
    return sum([await _end_if_over(ports, request_id, each) for each in _of_this_run(ports, suspects)])


async def _live(ports: Ports, records: Sequence[RuleLease]) -> list[RuleLease]:
    found: list[RuleLease] = []
    for record in records:
        if await is_live(ports, record.lease_id):
            found.append(record)
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


def _revoking(rules: Mapping[str, EventRule], record: RuleLease) -> str:
    """Returns the rule that revokes what the record is about when its subject is gone. Empty if none does."""
    for each in rules.values():
        speaks = each.terms is not None and each.terms.subject.matches(record.subject)
        if speaks and each.acts and each.revokes is not None and each.revokes.rule == record.rule:
            return each.name
    return ""


def _ending(rules: Mapping[str, EventRule], record: HolderResource) -> str:
    """Returns the rule that revokes what the holder holds when its resource is gone, or what that lies in."""
    for each in rules.values():
        if each.ends_by_holder and each.terms is not None and each.terms.subject.matches_above(record.resource):
            return each.name
    return ""


async def _end_if_over(ports: Ports, request_id: str, suspect: _Suspect) -> int:
    try:
        found = await ports.resources.see(Scope.parse(suspect.resource))
    except (Unparsable, Upstream) as failure:
        log.info("%s of rule %s could not be looked at: %s", suspect.resource, suspect.rule, type(failure).__name__)
        return 0
    cause = _cause(suspect.record, found)
    if cause is None:
        return 0
    leases = await _leases(ports, suspect.record)
    for lease_id in leases:
        await _tell(ports, request_id, suspect, lease_id, cause)
    await end_leases(ports, leases, cause)
    return len(leases)


def _cause(record: _Record, found: Look) -> Cause | None:
    """Returns why the leases end, if Azure says so for certain."""
    if isinstance(record, RuleLease):
        return over_by_rule(record, record.subject, found)
    return over_by_holder(record, record.resource, found)


async def _leases(ports: Ports, record: _Record) -> Sequence[LeaseId]:
    return [record.lease_id] if isinstance(record, RuleLease) else await leases_of(ports, [record])


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
            subject=suspect.resource,
        )
    )
