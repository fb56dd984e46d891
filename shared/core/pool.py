"""A role's pool: how many leases stand ready for callers, for how long, and whether what they grant is assigned already. Pure.

A lease of a pool is POOLED: everything but the credential is made, and nobody holds it (docs/life.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from shared.core.azure_role import AzureRole
from shared.core.names import LeaseId, RoleName
from shared.core.parsing import Reader

FIELD = "pool"
MAX_SIZE = 50
MIN_AGE = 60
MAX_AGE = 30 * 86400
DEFAULT_AGE = 7 * 86400
"""Seconds for which a lease may wait in a pool."""
MOST_OF_A_ROLE = 4
MOST_OF_A_RUN = 10
"""Leases that one run makes: of one role, and of all."""
_FIRST_WAIT = 15.0
_LONGEST_WAIT = 900.0
_DOUBLINGS = 6
"""After so many failures a pool waits the longest. A power of their number would outgrow a float within some days."""
_TURN = timedelta(seconds=30)
_HEAD_START = 900
"""Seconds before a lease is too old, in which the next one is made: what a proof may take at most."""


@dataclass(frozen=True, slots=True)
class Pool:
    """``max_age`` in seconds. ``assigned``: whether the roles are assigned before anybody asks; ``None`` if it is not said."""

    size: int = 0
    max_age: int = DEFAULT_AGE
    assigned: bool | None = None

    @property
    def replaced_after(self) -> timedelta:
        """After so long another lease is made in the place of one that waits, which can be claimed until then and later."""
        return timedelta(seconds=self.max_age - min(_HEAD_START, self.max_age // 4))

    def assigns(self, azure_roles: Iterable[AzureRole], *, has_holes: bool) -> bool:
        """Returns whether the roles are assigned while a lease waits.

        Unless the role says so, they are not if it has holes, or if a definition lets its holder do more than read: nobody
        has asked for such a right yet.
        """
        if self.assigned is not None:
            return self.assigned
        return not has_holes and not writes(azure_roles)


NONE = Pool()


def writes(azure_roles: Iterable[AzureRole]) -> bool:
    """Returns whether a definition lets its holder change something, or was never read."""
    return any(each.powers is None or each.powers.changes for each in azure_roles)


def read_pool(reader: Reader) -> Pool:
    """Reads the field ``pool`` of a role's document. Notes every fault in the reader."""
    if not reader.has(FIELD):
        return Pool()
    inner = Reader(reader.take(FIELD), reader.at(FIELD), reader.faults)
    size = inner.whole("size", least=0, most=MAX_SIZE)
    age = inner.duration("max_age", least=MIN_AGE, most=MAX_AGE)
    assigned = inner.flag("assigned", default=False) if inner.has("assigned") else None
    inner.done()
    return Pool(size or 0, DEFAULT_AGE if age is None else age, assigned)


def write_pool(pool: Pool) -> dict[str, Any]:
    """Returns the value of the field, which ``read_pool`` reads back. ``max_age`` in seconds."""
    document: dict[str, Any] = {"size": pool.size, "max_age": pool.max_age}
    return document if pool.assigned is None else document | {"assigned": pool.assigned}


def restore_pool(stored: Any) -> Pool:
    """Returns a stored pool. One that cannot be read is empty: it makes nothing ahead of time."""
    if not isinstance(stored, Mapping):
        return Pool()
    reader = Reader({FIELD: {name: stored[name] for name in ("size", "max_age", "assigned") if name in stored}})
    found = read_pool(reader)
    return Pool() if reader.faults else found


@dataclass(frozen=True, slots=True)
class Hint:
    """What the table of pools says of one POOLED lease. It may be late or lost: the lease's own row is the truth.

    ``digest`` is of what the lease was made for (``pool_digest``). ``looked_at``: when somebody last looked whether a stranger
    has touched it. ``generation``: the lease's own.
    """

    lease: LeaseId
    ready_at: datetime
    digest: str
    looked_at: datetime
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Filling:
    """How the filling of a role's pool goes. ``failures`` are those in a row, ``next_at`` is when another try makes sense.

    ``hungry_since``: since when the pool has been short of leases; ``None`` while it is full. ``until``: one worker at a time
    counts the pool and opens leases for it. By then it has finished, or has died.
    """

    failures: int = 0
    next_at: datetime | None = None
    hungry_since: datetime | None = None
    last_error: str = ""
    until: datetime | None = None
    low_told: bool = False
    """Whether an event has told that the pool is low. It is told again only when the pool has been full in between."""

    def taken_up(self, now: datetime) -> Filling | None:
        """Returns it with this worker's turn begun; ``None`` if it is another's, or too early for another try."""
        if self.is_waiting(now) or (self.until is not None and now < self.until):
            return None
        return replace(self, until=now + _TURN, hungry_since=self.hungry_since or now)

    def finished(self, *, is_full: bool) -> Filling:
        """Returns it after a turn that has come to its end."""
        since, low_told = (None, False) if is_full else (self.hungry_since, self.low_told)
        return replace(self, until=None, hungry_since=since, low_told=low_told)

    def told_low(self) -> Filling:
        """Returns it after an event has told that the pool is low."""
        return replace(self, low_told=True)

    def succeeded(self) -> Filling | None:
        """Returns it without failures; ``None`` if there are none."""
        return replace(self, failures=0, next_at=None, last_error="") if self.failures or self.last_error else None

    def unproven(self, error: str) -> Filling | None:
        """Returns it with what is told of a lease that is tried for long; ``None`` if something is told already.

        That is no failure: others are made meanwhile.
        """
        return None if self.last_error else replace(self, last_error=error)

    def failed(self, now: datetime, error: str, jitter: float) -> Filling:
        """Returns it after one more failure. ``jitter`` is in [0, 1). It waits as a lease does that could not be ended."""
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self.failures, _DOUBLINGS)) * (0.5 + jitter)
        next_at, since = now + timedelta(seconds=wait), self.hungry_since or now
        return replace(self, failures=self.failures + 1, next_at=next_at, hungry_since=since, last_error=error)

    def is_waiting(self, now: datetime) -> bool:
        """Returns whether it is too early for another try."""
        return self.next_at is not None and now < self.next_at


@dataclass(frozen=True, slots=True)
class Hunger:
    """A pool that is short: it wants ``wanted`` leases, and has ``standing`` that are ready or being made."""

    role: RoleName
    wanted: int
    standing: int
    since: datetime

    @property
    def missing(self) -> int:
        """How many it is short of."""
        return max(0, self.wanted - self.standing)


def turns(hungry: Sequence[Hunger]) -> tuple[RoleName, ...]:
    """Returns for which roles a run makes leases, one name a lease, in this order.

    Whose largest share is missing comes first, and of equal shares who has waited longest. After each turn the shares are
    compared anew, so that one large pool does not starve the others.
    """
    standing = {each.role: each.standing for each in hungry}
    left = {each.role: min(each.missing, MOST_OF_A_ROLE) for each in hungry}
    order: list[RoleName] = []
    while len(order) < MOST_OF_A_RUN:
        waiting = [each for each in hungry if left[each.role]]
        if not waiting:
            break
        first = min(waiting, key=lambda each: (standing[each.role] / each.wanted, each.since, each.role))
        order.append(first.role)
        standing[first.role] += 1
        left[first.role] -= 1
    return tuple(order)


def is_low(ready: int, wanted: int) -> bool:
    """Returns whether fewer than half of the leases are ready."""
    return ready < ceil(wanted / 2)
