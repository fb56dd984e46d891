"""Leases of a pool, made and handed out by the tests: no verb of the broker does that yet.

And leases that are prepared or queued, as tests made them before the broker had its own verbs for that.

The operations use the moves of ``Lease``, and the product's minting, lock, admission and stores. They keep the order of writes
that every verb keeps: intent, effect, activation, audit, answer. Where one fails, the sweep does the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.broker.access import issuing_from
from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.issue.admission import admit
from shared.broker.issue.issue import Issued
from shared.broker.issue.planning import SECRET_SLACK
from shared.broker.issue.prove import prove
from shared.broker.ports import Actor, Ports
from shared.broker.rules import require_same_target
from shared.core.caller import Caller
from shared.core.errors import Conflict, Gone, Interrupted, LeaseholdError, LostRace, Pending
from shared.core.lease import Cause, Holder, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from shared.kinds.kind import Asker, Asking, Order
from shared.kinds.target_digest import target_digest
from shared.resilience.tasks import both
from tests.fakes.world import ADMINISTRATOR, BROKER, TENANT, request
from tests.support.every_kind import ask_for

MAX_AGE = timedelta(seconds=900)
"""Of a pooled lease."""
COLLECT_WITHIN = timedelta(seconds=600)
MESSAGE_LIVES = timedelta(seconds=600)
_LAST_CALL = timedelta(seconds=30)
_NOBODY = Holder(BROKER, TENANT)
"""For whom a kind makes what nobody holds yet."""


async def fill(ports: Ports, role: RoleName) -> Lease:
    """Makes a lease for the role's pool: POOLED. Raises what an issue raises."""
    found, generation = await _role_and_generation(ports, request(ADMINISTRATOR).caller, role)
    planned = _planned(ports, found, generation, None)
    async with _at_work(ports, LeaseLock(ports, await ports.leases.open(planned))) as lock:
        await _look_again(ports, lock, found)
        await _make(ports, lock, found)
        now = ports.now()
        return await lock.release(lambda it: it.pooled(now, now + MAX_AGE, ready=True))


async def prepare(ports: Ports, actor: Actor, role: RoleName) -> Lease:
    """Makes a lease that its holder collects later: PREPARED."""
    found, generation = await _role_and_generation(ports, actor.caller, role)
    planned = _planned(ports, found, generation, _holder(actor))
    async with _at_work(ports, LeaseLock(ports, await ports.leases.open(planned))) as lock:
        return await _prepare(ports, lock, found)


async def enqueue(ports: Ports, actor: Actor, role: RoleName) -> Lease:
    """Opens a lease that a worker makes who takes its message: PLANNED, and nobody has a lock on it."""
    found, generation = await _role_and_generation(ports, actor.caller, role)
    planned = _planned(ports, found, generation, _holder(actor))
    return await ports.leases.open(planned.queued(ports.now() + MESSAGE_LIVES))


async def take_up(ports: Ports, lease_id: LeaseId) -> Lease:
    """The worker that takes the message of a queued lease prepares it."""
    lease = await ports.leases.get(lease_id)
    if lease is None or not lease.is_queued or lease.due_at <= ports.now():
        raise Gone("Nobody waits for this lease any more.", code="lease_ended")
    found, _ = await _role_and_generation(ports, request(ADMINISTRATOR).caller, lease_id.role)
    lock = LeaseLock(ports, lease)
    try:
        await lock.move(lambda it: it.taken_up(lock.until(), _given_up_by(ports)))
    except LostRace as lost:
        raise Interrupted from lost
    async with _at_work(ports, lock):
        return await _prepare(ports, lock, found)


async def claim(ports: Ports, actor: Actor, role: RoleName) -> Issued:
    """Hands out a lease of the role's pool, with its credential: ACTIVE."""
    found, generation = await _role_and_generation(ports, actor.caller, role)
    async with _at_work(ports, await _claimed(ports, actor, found, generation)) as lock:
        await _look_again(ports, lock, found)
        return await _hand_out(ports, actor, lock, found)


async def claim_to_collect(ports: Ports, actor: Actor, role: RoleName) -> Lease:
    """Gives a lease of the role's pool to a holder who collects it later: PREPARED.

    What is made is not made again: if another worker has ended the lease meanwhile, its name would lead to a second one of it.
    """
    found, generation = await _role_and_generation(ports, actor.caller, role)
    async with _at_work(ports, await _claimed(ports, actor, found, generation)) as lock:
        await _look_again(ports, lock, found)
        return await _wait(ports, lock)


async def collect(ports: Ports, actor: Actor, lease_id: LeaseId) -> Issued:
    """Hands out the credential of a PREPARED lease: ACTIVE. ``Pending`` as long as another worker may be making one."""
    (found, generation), lease = await both(
        _role_and_generation(ports, actor.caller, lease_id.role), ports.leases.get(lease_id)
    )
    if lease is None or not lease.under(generation).state.is_open:
        raise Gone("The lease has ended.", code="lease_ended")
    if lease.state is State.ACTIVE:
        raise Gone("The credential was collected.", code="credential_collected")
    if lease.state is not State.PREPARED or (lease.rotating_until is not None and lease.rotating_until > ports.now()):
        raise Pending
    require_same_target(ports, lease, found)
    lock = LeaseLock(ports, lease)
    try:
        await lock.move(lambda it: it.collecting(_given_up_by(ports)))
    except LostRace as lost:
        raise Pending from lost
    try:
        return await _hand_out(ports, actor, lock, found)
    except LeaseholdError as failure:
        await _release(lock, Lease.rotation_given_up if lock.lease.state is State.PREPARED else _as_it_is, failure)
        raise


async def _role_and_generation(ports: Ports, caller: Caller, name: RoleName) -> tuple[Role, int]:
    """The role, if the caller may issue from it without parameters, and its generation."""
    (role, issuing), generation = await both(issuing_from(ports, caller, name), ports.generations.get(name))
    issuing.require()
    return role, generation.number


def _as_it_is(lease: Lease) -> Lease:
    return lease


async def _claimed(ports: Ports, actor: Actor, role: Role, generation: int) -> LeaseLock:
    """Of the pooled leases the first that nobody else claims. Raises ``Conflict`` if there is none."""
    page = await ports.leases.list(LeaseQuery(role=role.name, state=State.POOLED))
    for view in page.items:
        lease = await ports.leases.get(view.id)
        if lease is None or lease.state is not State.POOLED or lease.due_at <= ports.now() or lease.is_overtaken(generation):
            continue
        if lease.target_digest == target_digest(ports.kinds, role.target):
            with suppress(LostRace):
                return await _take(ports, actor, lease, generation)
    raise Conflict("The pool is empty.", code="pool_empty")


async def _take(ports: Ports, actor: Actor, lease: Lease, generation: int) -> LeaseLock:
    """One attempt. The swap alone decides who has the lease."""
    lock, now = LeaseLock(ports, lease), ports.now()
    claim, holder = ports.ids.ulid(now), _holder(actor)
    made_by = _given_up_by(ports)
    planned = replace(lease, state=State.PLANNED, holder=holder, generation=generation, planned_at=now, made_by=made_by)
    await lock.move(lambda it: it.claimed(claim, replace(planned, due_at=lock.until())))
    return lock


@asynccontextmanager
async def _at_work(ports: Ports, lock: LeaseLock) -> AsyncIterator[LeaseLock]:
    """Holds the lease. If the work fails, the lease is ending, and the sweep undoes it.

    Raises ``Interrupted`` where another worker has ended the lease: what Azure said then is of no interest.
    """
    async with lock:
        try:
            yield lock
        except LeaseholdError as failure:
            now = ports.now()
            await _release(lock, lambda it: it.ending(Cause.FAILED, now, now), failure)
            raise


async def _release(lock: LeaseLock, change: Callable[[Lease], Lease], failure: LeaseholdError) -> None:
    """The last move after a failure, as far as it can be stored. Raises ``Interrupted``, as above."""
    try:
        await lock.release(change)
    except LostRace:
        raise Interrupted from failure
    except LeaseholdError:
        pass
    if isinstance(failure, LostRace):
        raise Interrupted from failure


async def _prepare(ports: Ports, lock: LeaseLock, role: Role) -> Lease:
    await _look_again(ports, lock, role)
    await _make(ports, lock, role)
    return await _wait(ports, lock)


async def _wait(ports: Ports, lock: LeaseLock) -> Lease:
    now = ports.now()
    return await lock.release(lambda it: it.prepared(now, now + COLLECT_WITHIN))


async def _make(ports: Ports, lock: LeaseLock, role: Role) -> None:
    """Everything but the credential."""
    kind = ports.kinds.of(role)
    lock.note(made := await kind.issuer.prepare(_order(ports, role, lock.lease), lock.lease.footprint, lock.note))
    await ports.leased.note(kind.schema.principals(made), lock.lease.id)


async def _hand_out(ports: Ports, actor: Actor, lock: LeaseLock, role: Role) -> Issued:
    kind, before = ports.kinds.of(role), lock.lease
    order, learned = _order(ports, role, before), before.footprint

    def note(credential_id: ObjectId) -> None:
        nonlocal learned
        learned = kind.schema.with_credential(before.footprint, credential_id)
        lock.note(learned)

    minted = await kind.issuer.credential(order, before.footprint, note)
    if before.maybe_more_secrets:
        await kind.issuer.remove_former(order, before.footprint, maybe_more=True, keeping=minted.credential_id)
    credential = kind.schema.complete(minted.credential, learned)
    proven = await prove(ports, kind, order, credential, deadline=order.deadline)
    ready, readiness = proven.ready, proven.readiness
    lease = await lock.release(lambda it: it.knowing(learned).activated(ports.now(), ready=ready, readiness=readiness))
    result = actor.done(ports, "issue", role=lease.id.role, lease=lease.id)
    _, generation = await both(ports.audit.record(result), ports.generations.get(lease.id.role))
    if lease.is_overtaken(generation.number):
        raise LostRace("the role was revoked")
    return Issued(lease, credential)


async def _look_again(ports: Ports, lock: LeaseLock, role: Role) -> None:
    """As an issue does, now that the lease stands; and whether it was planned for what its role grants now."""
    require_same_target(ports, lock.lease, role)
    found, generation = await both(ports.roles.get(role.name), ports.generations.get(role.name))
    if found is None or found.version != role.version or lock.lease.is_overtaken(generation.number):
        raise Interrupted
    if lock.lease.holder is not None:
        await admit(ports, lock.lease, role, since=generation.number)


def _holder(actor: Actor) -> Holder:
    caller = actor.caller
    return Holder(caller.object_id, caller.tenant_id, caller.app_id, caller.name)


def _given_up_by(ports: Ports) -> datetime:
    return ports.now() + timedelta(seconds=ports.timing.mint) + _LAST_CALL


def _order(ports: Ports, role: Role, lease: Lease) -> Order:
    end = ports.now() + timedelta(seconds=role.max_ttl) + SECRET_SLACK
    holder, deadline = lease.holder or _NOBODY, ports.within(ports.timing.mint)
    return Order(*(lease.id, holder, role.target, end, deadline), rotating=lease.maybe_more_secrets, asked=_asked(ports, role))


def _asked(ports: Ports, role: Role) -> Any:
    """What an ask says of the credential."""
    now = ports.now()
    asking = Asking(ask_for(role.target), Asker(_NOBODY.object_id), now, now + timedelta(seconds=role.max_ttl))
    return ports.kinds.of(role).schema.asked(role.target, asking)


def _planned(ports: Ports, role: Role, generation: int, holder: Holder | None) -> Lease:
    now, kind = ports.now(), ports.kinds.of(role)
    lease_id = LeaseId.of(role.name, ports.ids.ulid(now))
    end = now + timedelta(seconds=role.max_ttl) + SECRET_SLACK
    asked, deadline = _asked(ports, role), ports.within(ports.timing.mint)
    order = Order(lease_id, holder or _NOBODY, role.target, end, deadline, asked=asked)
    footprint = kind.issuer.plan(order)
    return Lease(
        id=lease_id,
        type=role.type,
        state=State.PLANNED,
        holder=holder,
        parts=(footprint,),
        scopes=ports.kinds.scopes_of(footprint),
        planned_at=now,
        issued_at=now,
        expires_at=now + timedelta(seconds=role.ttl),
        max_expires_at=now + timedelta(seconds=role.max_ttl),
        due_at=now + timedelta(seconds=ports.timing.lease_lock),
        made_by=_given_up_by(ports),
        ttl=role.ttl,
        max_ttl=role.max_ttl,
        renewable=role.renewable,
        target_digest=target_digest(ports.kinds, role.target),
        generation=generation,
    )
