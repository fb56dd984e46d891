"""Reading: leases, status, the audit trail, and what the broker thinks of a caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.broker import rules
from shared.broker.access import holds, lease_for, require_auditor
from shared.broker.counting import first_count
from shared.broker.due import LATE
from shared.broker.outside import Outside, Request
from shared.core.audit import AuditEvent, Outcome
from shared.core.decision import Allowed, decide
from shared.core.errors import Fault, Forbidden, Unreadable, Upstream
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LeaseId, RoleName
from shared.core.patience import all_of, both
from shared.core.ports import AuditQuery, LeaseQuery, Page
from shared.core.role import Role


async def read_lease(outside: Outside, request: Request, lease_id: LeaseId) -> Lease:
    """As its role's generation lets it be told. Raises ``NotFound``."""
    lease, generation = await both(
        lease_for(outside, request.caller, lease_id, reading=True), outside.generations.get(lease_id.role)
    )
    return lease.under(generation.number)


async def list_leases(outside: Outside, request: Request, query: LeaseQuery) -> Page[LeaseView]:
    """All leases for an auditor, else the caller's own, whatever holder is asked for. Raises ``Forbidden``."""
    if query.holder is not None and query.holder != request.caller.object_id:
        require_auditor(request.caller)
    if not request.caller.is_auditor:
        query = replace(query, holder=request.caller.object_id, tenant=request.caller.tenant_id)
    # What a role's generation has overtaken is told as ending, whatever its row says.
    wanted = replace(query, state=None, live=True) if query.state is State.ENDING else query
    generations, page = await both(outside.generations.all(), outside.leases.list(wanted))
    told = (each.under(generations[each.id.role].number) if each.id.role in generations else each for each in page.items)
    # Leases are found by their holder's object id; only with its tenant does that say who it is.
    own = (each for each in told if request.caller.is_auditor or holds(request.caller, each))
    return replace(page, items=tuple(each for each in own if query.state in {None, each.state}))


_TOLD = 100


@dataclass(frozen=True, slots=True)
class Status:
    """How the broker is doing. Times in UTC, ``sweep_lag`` in seconds since a sweep last finished."""

    counted_at: datetime
    """When ``by_state`` and ``by_role`` were true: the last reconciliation."""
    by_state: Mapping[State, int]
    by_role: Mapping[str, Mapping[State, int]]
    last_sweep: datetime | None
    last_summary: Mapping[str, int]
    sweep_lag: float | None
    stuck: tuple[LeaseView, ...]
    """A hundred of them, with their last errors, as they are now."""
    overdue: tuple[LeaseView, ...]
    """Of those that the last sweep has left: the ones that are live and have been due for five minutes now."""
    unreadable_leases: tuple[LeaseId, ...]
    """Of those that the last reconciliation could not read, or the last sweep has left: the ones that cannot be read now."""
    last_reconciliation: datetime | None
    last_counts: Mapping[str, int]
    outdated: Mapping[RoleName, tuple[Fault, ...]]
    """Roles that must be written again, and why: that is for administrators alone."""
    unreadable_roles: Mapping[RoleName, tuple[Fault, ...]]
    """Roles whose documents cannot be read, and why, as before."""
    refused: Mapping[str, datetime]
    """The services that refuse the broker's own identity to this worker, by the scope of their tokens, and since when."""
    warnings: tuple[str, ...] = ()
    """What an operator should mend in the settings though the broker runs with it."""


async def status(outside: Outside, request: Request) -> Status:
    """As of now, but for the counts, which are the last reconciliation's. Raises ``Forbidden``, ``Upstream``."""
    require_auditor(request.caller)
    noted, stuck, roles = await asyncio.gather(outside.journal.noted(), outside.leases.stuck(_TOLD), outside.roles.list())
    if noted.count is None:
        await outside.admitted()
    count = noted.count or await first_count(outside)
    broken, unreadable = rules.outdated(outside, roles), rules.unreadable(roles)
    if not request.caller.is_admin:
        broken, unreadable = dict.fromkeys(broken, ()), dict.fromkeys(unreadable, ())
    by_state: Counter[State] = Counter()
    by_role: dict[str, dict[State, int]] = {}
    for (role, state), number in count.leases.items():
        by_state[state] += number
        by_role.setdefault(role, {})[state] = number
    at, summary = noted.sweep or (None, {})
    lag = (outside.now() - at).total_seconds() if at else None
    reconciled_at, counts = noted.reconciliation or (None, {})
    overdue, unread = await _left(outside, noted.overdue, count.unreadable)
    return Status(
        counted_at=count.at,
        by_state=by_state,
        by_role=by_role,
        last_sweep=at,
        last_summary=summary,
        sweep_lag=lag,
        stuck=stuck,
        overdue=overdue,
        unreadable_leases=unread,
        last_reconciliation=reconciled_at,
        last_counts=counts,
        outdated=broken,
        unreadable_roles=unreadable,
        refused=outside.refused(),
        warnings=outside.warnings,
    )


async def _left(
    outside: Outside, overdue: Sequence[LeaseId], unreadable: Sequence[LeaseId]
) -> tuple[tuple[LeaseView, ...], tuple[LeaseId, ...]]:
    """Of the leases that were noted: those that are overdue now, and the ids of those that cannot be read now."""
    late = outside.now() - LATE
    found = await all_of(*(_look(outside, each) for each in dict.fromkeys((*overdue, *unreadable))))
    live = (each for each in found if isinstance(each, Lease) and each.id in overdue and each.state.is_live)
    return tuple(each for each in live if each.due_at <= late), tuple(each for each in found if isinstance(each, LeaseId))


async def _look(outside: Outside, lease_id: LeaseId) -> Lease | LeaseId | None:
    """The lease; its id alone when it cannot be read."""
    try:
        return await outside.leases.get(lease_id)
    except Unreadable:
        return lease_id


async def health(outside: Outside) -> bool:
    """Whether the broker can reach its storage."""
    try:
        return await outside.journal.reachable()
    except Upstream:
        return False


async def may_issue(outside: Outside, request: Request) -> tuple[Role, ...]:
    """The roles that the caller may issue from. Of the others it learns nothing, not even that they are there."""
    roles = await outside.roles.list()
    return tuple(role for role in roles if isinstance(decide(role, request.caller), Allowed) and not role.is_unreadable)


async def role_if_issuable(outside: Outside, request: Request, name: RoleName) -> Role | None:
    """The role, if the caller may issue from it. If not, the audit trail alone says why, or that there is no such role."""
    role, _ = await both(outside.roles.get(name), outside.admitted())
    decision = decide(role, request.caller) if role is not None else None
    if role is not None and isinstance(decision, Allowed) and not role.is_unreadable:
        return role
    reason = "no such role" if decision is None else "it cannot be read" if isinstance(decision, Allowed) else decision.reason
    asked = request.done(outside, "whoami", role=name, reason=reason)
    await outside.audit.record(replace(asked, outcome=Outcome.REFUSED, code=Forbidden.code))
    return None


async def read_audit(outside: Outside, request: Request, query: AuditQuery) -> Page[AuditEvent]:
    """Raises ``Forbidden``."""
    require_auditor(request.caller)
    return await outside.audit.read(query)
