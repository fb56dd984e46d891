"""Deletions of which no event came: the hourly reconciliation looks at the subjects of what rules have issued."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from shared.broker.events.end import end_leases, is_live, tidy
from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Upstream
from shared.core.events.event_rule import EventRule
from shared.core.events.rule_lease import RuleLease
from shared.core.names import Scope, Unparsable
from shared.core.ports.resources import ResourceState

log = logging.getLogger(__name__)

MOST_LOOKS = 200
"""In one run. The records that were written longest ago come first."""


async def look_at_subjects(ports: Ports, request_id: str) -> int:
    """Ends the leases of rules whose subject is gone, or has another identity, as if the event had come. Returns how many.

    It ends only what a rule revokes. Forgets records whose leases are over. Raises ``Upstream`` if storage fails.
    """
    records = sorted([each async for each in ports.rule_leases.everything()], key=lambda each: each.at)
    if not records:
        return 0
    rules = [each for each in await ports.event_rules.list() if each.acts and each.revokes is not None]
    looks, ended = 0, 0
    for record in records:
        if not await is_live(ports, record.lease_id):
            await tidy(ports, record)
        elif looks < MOST_LOOKS and (by := _revoking(rules, record)):
            looks += 1
            if await _is_over(ports, record):
                await _tell(ports, request_id, by, record)
                await end_leases(ports, [record.lease_id])
                ended += 1
    return ended


def _revoking(rules: Sequence[EventRule], record: RuleLease) -> str:
    """Returns the rule that revokes what the record is about when its subject is gone. Empty if none does."""
    for each in rules:
        speaks = each.terms is not None and each.terms.subject.matches(record.subject)
        if speaks and each.revokes is not None and each.revokes.rule == record.rule:
            return each.name
    return ""


async def _is_over(ports: Ports, record: RuleLease) -> bool:
    """Whether Azure says for certain that the subject is gone, or has not the holder's identity any more."""
    try:
        found = await ports.resources.see(Scope.parse(record.subject))
    except (Unparsable, Upstream) as failure:
        log.info("the subject %s of rule %s could not be looked at: %s", record.subject, record.rule, type(failure).__name__)
        return False
    if found.state is ResourceState.THERE:
        return bool(found.principals) and record.holder not in found.principals
    return found.state is ResourceState.GONE


async def _tell(ports: Ports, request_id: str, rule: str, record: RuleLease) -> None:
    await ports.audit.record(
        AuditEvent(
            at=ports.now(),
            operation="event",
            outcome=Outcome.DONE,
            request_id=request_id,
            reason="no event came: the subject is gone, or has another identity",
            role=record.lease_id.role,
            lease=record.lease_id,
            rule=rule,
            subject=record.subject,
        )
    )
