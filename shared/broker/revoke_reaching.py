"""Revoking every lease that was granted something at a scope, below it or above it, by a fan-out through the queue."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from shared.broker.access import CallerRights, rights_of
from shared.broker.ending.enqueue import TOGETHER, enqueue
from shared.broker.ports import Actor, Ports
from shared.core.errors import Caution, DirectoryUnavailable, LostRace, Unreadable
from shared.core.lease import Cause
from shared.core.names import LeaseId, RoleName, Scope
from shared.core.ports.leases import GrantedLease
from shared.core.reach import Reach
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

_AT_ONCE = 4
"""Messages that are made side by side: 64 leases at once."""


@dataclass(frozen=True, slots=True)
class RevokingReaching:
    """The leases that are to end: so many were found at the instant ``as_of``, of these roles."""

    count: int
    as_of: datetime
    roles: tuple[RoleName, ...]
    warnings: tuple[Caution, ...]


async def revoke_reaching(
    ports: Ports, actor: Actor, scope: Scope, roles: frozenset[RoleName] = frozenset()
) -> RevokingReaching:
    """Ends the leases that reach the scope, of these roles or of all, on which the caller holds ``revoke``.

    When this returns, each of them is ending in storage and due. The queue's workers take them back in Azure. A lease that is
    opened meanwhile may be missed. Raises ``Forbidden`` if the caller holds ``revoke`` on no lease at all. Raises
    ``DirectoryUnavailable`` if a fact is not known that decides on one of the leases: nothing has happened then. Raises
    ``Upstream`` (storage).

    The event comes before the first move: if the worker dies in between, there are two events rather than none. A lease that
    was moved is due: if the worker dies before the message is sent, the next sweep ends the lease. Repeating the call moves
    those that are left.
    """
    rights = await rights_of(ports, actor.caller)
    decision = rights.require_allowed(rights.on_some_lease("revoke"), "leases/*", "revoke")
    reach, now = Reach(scope, above=True), ports.now()
    found = [
        lease
        async for lease in ports.leases.granted(reach)
        if (not roles or lease.id.role in roles) and _may_end(rights, lease.id)
    ]
    revoking = RevokingReaching(
        sum(lease.is_held for lease in found),
        now,
        tuple(sorted({lease.id.role for lease in found})),
        tuple(reach.cautions("reaching")),
    )
    await ports.audit.record(actor.done(ports, "revoke_reaching", reason=_reason(revoking, scope, roles), decision=decision))
    await _end(ports, found)
    return revoking


def _may_end(rights: CallerRights, lease_id: LeaseId) -> bool:
    decision = rights.decide(f"leases/{lease_id}", "revoke")
    if decision.outcome == "unknown":
        raise DirectoryUnavailable(decision.why)
    return decision.is_allowed


def _reason(revoking: RevokingReaching, scope: Scope, roles: frozenset[RoleName]) -> str:
    of_roles = f" of roles {', '.join(sorted(roles))}" if roles else ""
    # The number comes first: a long reason is cut off.
    return f"{revoking.count} leases that reach {scope}{of_roles}"


async def _end(ports: Ports, found: Sequence[GrantedLease]) -> None:
    """Makes all of them due to be ended, and puts them on the queue, a message's worth after the other."""
    if found:
        waiting = await ports.queued_markers.waiting(ports.now())
        work = batched([lease.id for lease in found], TOGETHER, strict=False)
        await all_of(*(_end_some(ports, work, waiting) for _ in range(_AT_ONCE)))


async def _end_some(ports: Ports, work: Iterator[tuple[LeaseId, ...]], waiting: Container[LeaseId]) -> None:
    for some in work:
        are_due = await all_of(*(make_due(ports, lease_id) for lease_id in some))
        due = [lease_id for lease_id, is_due in zip(some, are_due, strict=True) if is_due and lease_id not in waiting]
        if due:
            await enqueue(ports, due)


async def make_due(ports: Ports, lease_id: LeaseId, cause: Cause = Cause.REVOKED) -> bool:
    """Moves the lease to ENDING for that cause, locked by nobody. Returns whether it is due now. Raises ``Upstream``."""
    while True:
        try:
            lease = await ports.leases.get(lease_id)
        except Unreadable as unreadable:
            # Nobody can end it. ``status`` tells of it.
            log.error("%s", unreadable)  # noqa: TRY400 - its frames say no more
            return False
        now = ports.now()
        if lease is None or not lease.state.is_live:
            return False
        if not lease.state.is_open:
            # Somebody ends it, or it waits for its next attempt. It is due if an earlier call was interrupted.
            return lease.due_at <= now
        try:
            await ports.leases.swap(lease.ending(cause, now, now), former=lease)
        except LostRace:
            # Whoever was faster has only renewed it, or the lock on it, or ends it.
            continue
        return True
