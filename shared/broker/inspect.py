"""Reading: leases, status, the audit trail, and what the broker thinks of a caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import WeakKeyDictionary

from shared.broker import rules
from shared.broker.access import CallerRights, holds, lease_for, rights_of
from shared.broker.counting import first_count
from shared.broker.ending.due import LATE, overdue
from shared.broker.event_status import EventStatus, event_status
from shared.broker.issue.ask_rate import AskRate
from shared.broker.pool.inspect import PoolStatus, pools
from shared.broker.ports import Actor, Ports
from shared.core.access.asked import SomeAsk
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.errors import Fault, Forbidden, LeasedCaller, Unreadable, Upstream
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from shared.core.ports.page import Page
from shared.core.ports.run_history import Noted, RunHistory
from shared.core.role import Role
from shared.resilience.tasks import all_of, both


async def read_lease(ports: Ports, actor: Actor, lease_id: LeaseId) -> Lease:
    """As its role's generation lets it be told. Raises ``NotFound``."""
    lease, generation = await both(lease_for(ports, actor.caller, lease_id, "read"), ports.generations.get(lease_id.role))
    return lease.under(generation.number)


async def list_leases(ports: Ports, actor: Actor, query: LeaseQuery) -> Page[LeaseView]:
    """Returns the caller's own leases, and those that it may list.

    Raises ``Forbidden`` if another's are asked for and the caller may list none.
    """
    caller = actor.caller
    rights = await rights_of(ports, caller)
    decision = rights.on_some_lease("list")
    everybodys = decision.is_allowed
    if query.holder is not None and query.holder != caller.object_id:
        rights.require_allowed(decision, "leases/*", "list")
    if not everybodys:
        query = replace(query, holder=caller.object_id, tenant=caller.tenant_id)
    # A lease that its role's generation has overtaken is shown as ending, whatever its row says.
    wanted = replace(query, state=None, live=True) if query.state is State.ENDING else query
    generations, page = await both(ports.generations.all(), ports.leases.list(wanted))
    leases = (each.under(generations[each.id.role].number) if each.id.role in generations else each for each in page.items)
    # Leases are found by their holder's object id. Only with its tenant that names one caller.
    seen = (each for each in leases if holds(caller, each) or (everybodys and rights.allow(f"leases/{each.id}", "list")))
    return replace(page, items=tuple(each for each in seen if query.state in {None, each.state}))


_TOLD = 100
_LOOK_AGAIN = 15.0
"""Seconds between two looks for overdue leases, which cost as much as a sweep's that finds nothing."""
_looks: WeakKeyDictionary[RunHistory, tuple[float, Sequence[LeaseId]]] = WeakKeyDictionary()
"""What this worker has found last, and until when it does not look again."""


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
    """A hundred at most that are live and have been due for five minutes now. While sweeps come, of those that the last one has
    left."""
    unreadable_leases: tuple[LeaseId, ...]
    """Of those that the last reconciliation could not read, or the last sweep has left: the ones that cannot be read now."""
    last_reconciliation: datetime | None
    last_counts: Mapping[str, int]
    outdated: Mapping[RoleName, tuple[Fault, ...]]
    """Roles that must be written again, and why: that is for administrators alone."""
    unreadable_roles: Mapping[RoleName, tuple[Fault, ...]]
    """Roles whose documents cannot be read, and why, as before."""
    scopes_gone: Mapping[RoleName, tuple[Fault, ...]]
    """Roles that name a scope that is not there, as it was when an issue failed or a reconciliation looked; as before."""
    refused: Mapping[str, datetime]
    """The services that refuse the broker's own identity to this worker, by the scope of their tokens, and since when."""
    warnings: tuple[str, ...] = ()
    """What an operator should mend in the settings though the broker runs with it."""
    pools: Mapping[RoleName, PoolStatus] = field(default_factory=dict)
    """Of the roles that have a pool."""
    events: EventStatus | None = None
    """``None`` if events are off, and the queue of events from outside cannot be asked."""


@dataclass(frozen=True, slots=True)
class CallerSummary:
    """What ``whoami`` shows of a caller: the auth roles that match it, and the roles that it may issue from."""

    auth_roles: tuple[str, ...]
    roles: tuple[Role, ...]


async def status(ports: Ports, actor: Actor) -> Status:
    """As of now, but for the counts, which are the last reconciliation's. Raises ``Upstream``."""
    noted, stuck, roles = await asyncio.gather(ports.run_history.noted(), ports.leases.stuck(_TOLD), ports.roles.list())
    if noted.count is None:
        await ports.admitted()
    count = noted.count or await first_count(ports)
    broken, unreadable, gone = rules.outdated(ports, roles), rules.unreadable(roles), rules.scopes_gone(ports, roles)
    if not actor.caller.is_admin:
        broken, unreadable, gone = (dict.fromkeys(each, ()) for each in (broken, unreadable, gone))
    by_state: Counter[State] = Counter()
    by_role: dict[str, dict[State, int]] = {}
    for (role, state), number in count.leases.items():
        by_state[state] += number
        by_role.setdefault(role, {})[state] = number
    at, summary = noted.sweep or (None, {})
    lag = (ports.now() - at).total_seconds() if at else None
    reconciled_at, counts = noted.reconciliation or (None, {})
    late, unread = await _left(ports, await _overdue(ports, noted), count.unreadable)
    return Status(
        counted_at=count.at,
        by_state=by_state,
        by_role=by_role,
        last_sweep=at,
        last_summary=summary,
        sweep_lag=lag,
        stuck=stuck,
        overdue=late,
        unreadable_leases=unread,
        last_reconciliation=reconciled_at,
        last_counts=counts,
        outdated=broken,
        unreadable_roles=unreadable,
        scopes_gone=gone,
        refused=ports.refused(),
        warnings=ports.warnings,
        pools=await pools(ports, roles),
        events=await event_status(ports, noted),
    )


async def _overdue(ports: Ports, noted: Noted) -> Sequence[LeaseId]:
    """As the last sweep has noted them. If that is so long ago that others may be overdue by now: as this worker finds them."""
    if noted.sweep is not None and ports.now() < noted.sweep[0] + LATE:
        return noted.overdue
    await ports.admitted()
    until, found = _looks.get(ports.run_history, (0.0, ()))
    if ports.clock.monotonic() >= until:
        found = await overdue(ports, _TOLD)
        _looks[ports.run_history] = (ports.within(_LOOK_AGAIN), found)
    return found


async def _left(
    ports: Ports, overdue: Sequence[LeaseId], unreadable: Sequence[LeaseId]
) -> tuple[tuple[LeaseView, ...], tuple[LeaseId, ...]]:
    """Of the leases that were noted: those that are overdue now, and the ids of those that cannot be read now."""
    late = ports.now() - LATE
    found = await all_of(*(_read_again(ports, each) for each in dict.fromkeys((*overdue, *unreadable))))
    live = (each for each in found if isinstance(each, Lease) and each.id in overdue and each.state.is_live)
    return tuple(each for each in live if each.due_at <= late), tuple(each for each in found if isinstance(each, LeaseId))


async def _read_again(ports: Ports, lease_id: LeaseId) -> Lease | LeaseId | None:
    """The lease; its id alone when it cannot be read."""
    try:
        return await ports.leases.get(lease_id)
    except Unreadable:
        return lease_id


async def health(ports: Ports) -> bool:
    """Whether the broker can reach its storage."""
    try:
        return await ports.run_history.reachable()
    except Upstream:
        return False


async def may_issue(ports: Ports, actor: Actor) -> CallerSummary:
    """Returns the auth roles that match the caller, and the roles that it may issue from, and nothing about the others."""
    roles, rights = await both(ports.roles.list(), rights_of(ports, actor.caller))
    issuable = [each for each in roles if await _may_issue_some(rights, each)]
    names = tuple(each.name for each in rights.rights.matched)
    return CallerSummary(names, tuple(each.cut_to(ports.limits.max_ttl) for each in issuable if not each.is_unreadable))


async def _may_issue_some(rights: CallerRights, role: Role) -> bool:
    issuing = await rights.issuing(role.name, role.bounds)
    return issuing.decide_on_some_ask(role.parameter_names).is_allowed


async def role_if_issuable(ports: Ports, actor: Actor, name: RoleName) -> Role | None:
    """Returns the role, if the caller may issue from it. If not, only the audit trail says why, or that there is no such role.

    That counts as a refused ask to issue. Raises ``TooMany`` if too many were refused, ``LeasedCaller``,
    ``DirectoryUnavailable``.
    """
    try:
        role = await AskRate.of(ports, actor.caller).within_refusals(_issuable(ports, actor.caller, name))
    except LeasedCaller:
        raise
    except Forbidden as refusal:
        asked = actor.done(ports, "whoami", role=name, reason=refusal.audit_reason)
        await ports.audit.record(replace(asked, outcome=Outcome.REFUSED, code=Forbidden.code))
        return None
    return role.cut_to(ports.limits.max_ttl)


async def _issuable(ports: Ports, caller: Caller, name: RoleName) -> Role:
    """Returns the role. Raises ``Forbidden`` if the caller may not issue from it, if there is none, or if it cannot be read."""
    (role, rights), _ = await both(both(ports.roles.get(name), rights_of(ports, caller, fresh=True)), ports.admitted())
    issuing = await rights.issuing(name, role.bounds if role is not None else None)
    asks = SomeAsk(role.parameter_names if role is not None else None)
    decision = issuing.decide_on_some_ask(asks.names)
    if not decision.is_allowed:
        raise issuing.refusal(decision, asks)
    if role is None:
        raise Forbidden(audit_reason="no such role")
    if role.is_unreadable:
        raise Forbidden(audit_reason="it cannot be read")
    return role


async def read_audit(ports: Ports, query: AuditQuery) -> Page[AuditEvent]:
    """A part of the audit trail."""
    return await ports.audit.read(query)
