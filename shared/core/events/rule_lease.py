"""Which lease a rule has issued for a subject and a holder. The record stands for the lease as long as the lease lives.

It is written before the lease, and names it: so of many events of one subject, one makes a lease.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.core.events.subject import is_same, lies_in
from shared.core.names import LeaseId, ObjectId

HOUR = timedelta(hours=1)
ON_ITS_WAY = timedelta(minutes=5)
"""A worker that has written the record stores the lease at once. If there is none after this time, the worker is dead."""


@dataclass(frozen=True, slots=True)
class RuleLease:
    """``at``: when the lease was named. ``former``: when those were that it has replaced, within an hour before.

    ``of_subject``: whether the holder was the subject's own identity then. A stored row may not say it: then it is ``False``,
    and the lease ends only with the subject. ``earlier``: leases that it has succeeded, and that may live until their own ends.
    ``version`` is the stored row's ETag; empty before it is stored.
    """

    rule: str
    subject: str
    holder: ObjectId
    lease_id: LeaseId
    at: datetime
    former: tuple[datetime, ...] = ()
    of_subject: bool = False
    earlier: tuple[LeaseId, ...] = ()
    version: str = ""

    @property
    def leases(self) -> tuple[LeaseId, ...]:
        """The lease that it names, and those that this one has succeeded."""
        return (self.lease_id, *self.earlier)

    def replaced(self, lease_id: LeaseId, now: datetime, living: Iterable[LeaseId] = ()) -> RuleLease:
        """Returns the record of another lease, in place of this one. ``living``: those of its leases that live still."""
        former = tuple(each for each in (*self.former, self.at) if each > now - HOUR)
        return replace(self, lease_id=lease_id, at=now, former=former, earlier=tuple(living))

    def is_at_or_below(self, subject: str) -> bool:
        """Returns whether its subject is this one, or lies in it."""
        return lies_in(self.subject, subject)

    def is_of(self, subject: str) -> bool:
        """Returns whether its subject is this one."""
        return is_same(self.subject, subject)


def within_the_hour(records: Iterable[RuleLease], now: datetime) -> int:
    """Returns how many leases these records have named within an hour."""
    return sum(at > now - HOUR for each in records for at in (each.at, *each.former))
