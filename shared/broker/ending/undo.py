"""Taking a credential back: the one path by which every lease ends, whoever began it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.delivery import kept_because
from shared.core.errors import IdentityRefused, LostRace, Misconfigured, Throttled, Uncertain, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.vault_errors import VaultLeft
from shared.resilience.priority import answer_deadline

log = logging.getLogger(__name__)


class Freshness(Enum):
    """Who has made what is to be undone: so it is known what its absence means."""

    MAYBE_ANOTHER = auto()
    """Another worker may still be at it, up to the lease's ``made_by``."""
    THIS_WORKER = auto()
    """This worker, which has stopped."""
    THIS_WORKER_MADE_NOTHING = auto()
    """This worker, which has learned no id: most likely nothing is there, and nobody waits for it to appear."""


async def claim(ports: Ports, lease: Lease, cause: Cause, *, role_revoked: bool = False) -> LeaseLock:
    """Moves the lease to ENDING, held by this worker. Raises ``LostRace``, also when another is ending it; ``Upstream``.

    ``role_revoked``: it ends because its role was revoked.
    """
    if lease.is_being_ended(ports.now()):
        raise LostRace("another worker is ending it")
    lock = LeaseLock(ports, lease)
    of_role = role_revoked or lease.role_revoked
    await lock.move(lambda it: replace(it, role_revoked=of_role).ending(cause, ports.now(), lock.until()))
    return lock


async def undo(
    ports: Ports,
    lock: LeaseLock,
    *,
    request_id: str,
    within: float,
    freshness: Freshness = Freshness.MAYBE_ANOTHER,
    otherwise_due: datetime | None = None,
) -> Lease:
    """Undoes the parts of a claimed lease that are left. Returns the lease as it then stands.

    It is ENDED if nothing is left. It is ENDING or STUCK, and due again later, if Azure refused, if something was absent that
    may only not have replicated yet, or if another worker may still be making it. A worker that tries before the lease is due
    says when it was due (``otherwise_due``): if Azure does not answer, or refuses the broker's identity, the lease is due then
    again. Raises ``LostRace`` if another worker has taken the lease over, ``Upstream`` if storage fails.
    """
    try:
        # If no worker has taken it up, there is nothing to look for, and no doubt.
        is_untouched = lock.lease.is_untouched
        nothing_is_left = is_untouched or await _undo_parts(ports, lock, ports.within(within), freshness)
    except (Upstream, Misconfigured) as failure:
        if otherwise_due is not None and isinstance(failure, Uncertain | IdentityRefused):
            return await postpone(ports, lock, failure.brief(), (otherwise_due - ports.now()).total_seconds())
        return await _failed(ports, lock, failure, request_id)
    if not nothing_is_left:
        return await lock.release(lambda lease: lease.looked_at_again(_settled(ports, lease)))
    if ports.now() >= lock.lease.due_at:
        # This worker has stood still for longer than its lock lasts: is the lease still its own?
        await lock.move(lambda lease: lease.locked_until(lock.until()))
    # Audited before it is moved: a death in between audits it twice rather than never. No other worker comes in between: the
    # lease is locked, and a worker that finds it locked leaves it alone.
    await ports.audit.record(_event(ports, lock.known, Outcome.DONE, request_id))
    return await lock.release(lambda lease: lease.ended(ports.now(), ports.timing.retention))


async def _undo_parts(ports: Ports, lock: LeaseLock, until: float, freshness: Freshness) -> bool:
    """Undoes each part that is left, the kind's own first: that ends the access. Returns whether none is left.

    A part that cannot be undone holds back no other: each has its share of the time that is left. When all have been tried, the
    first failure is raised.
    """
    fresh = ports.now() < _settled(ports, lock.lease)
    patient = fresh and freshness is not Freshness.THIS_WORKER_MADE_NOTHING
    being_made = freshness is Freshness.MAYBE_ANOTHER and ports.now() < lock.lease.made_by
    failures: list[Exception] = []
    in_doubt = False
    left = sorted(lock.lease.left, reverse=True)
    while left:
        deadline = _share_of(until, ports, len(left))
        place = left.pop()
        try:
            with answer_deadline(deadline):
                found_all = await _undo(ports, lock, place, deadline, fresh=patient)
        except LostRace:
            raise
        except Exception as failure:  # noqa: BLE001 - it is raised below
            if failures:
                log.warning("lease %s: its %s could not be undone: %s", lock.lease.id, lock.lease.parts[place].type, failure)
            failures.append(failure)
            continue
        if being_made or (fresh and not found_all):
            in_doubt = True
        elif len(lock.lease.parts) > 1:
            lock.note_undone(place)
    if failures:
        raise failures[0]
    return not in_doubt


def _share_of(until: float, ports: Ports, parts: int) -> float:
    """By when one of so many parts must be undone, so that the others have as much time."""
    now = ports.clock.monotonic()
    return until if parts == 1 else now + (until - now) / parts


async def _undo(ports: Ports, lock: LeaseLock, place: int, deadline: float, *, fresh: bool) -> bool:
    part = lock.lease.parts[place]
    issuer = ports.kinds.part_of(part).issuer
    located = await issuer.locate(part, fresh=fresh, deadline=deadline)
    if located != part:
        await lock.move(lambda lease: lease.knowing(located, place))
    return await issuer.undo(
        located,
        fresh=fresh,
        deadline=deadline,
        # Other secrets are the kind's affair.
        maybe_more=lock.lease.maybe_more_secrets and place == 0,
        again=_again(ports, lock),
        note=partial(lock.note, place=place),
    )


async def _failed(ports: Ports, lock: LeaseLock, failure: Upstream | Misconfigured, request_id: str) -> Lease:
    if isinstance(failure, VaultLeft) and failure.is_expected:
        return await postpone(ports, lock, failure.brief(), failure.retry_after or 0.0)
    log.warning("lease %s could not be ended: %s", lock.lease.id, failure)
    await ports.audit.record(_event(ports, lock.lease, Outcome.FAILED, request_id, failure))
    if isinstance(failure, Throttled):
        return await postpone(ports, lock, failure.brief(), failure.retry_after or 0.0)
    if lock.lease.on_last_attempt:
        await ports.audit.record(replace(_event(ports, lock.lease, Outcome.FAILED, request_id, failure), operation="stuck"))
    lease = await lock.release(lambda lease: lease.failed(ports.now(), failure.brief(), ports.ids.jitter()))
    if lease.state is State.STUCK:
        log.error("lease %s is stuck after %d attempts: %s", lease.id, lease.attempts, failure)
    return lease


async def postpone(ports: Ports, lock: LeaseLock, error: str, wait: float) -> Lease:
    """Leaves a claimed lease to a later attempt, in ``wait`` seconds or more; this one has not failed. Raises as ``move``."""
    return await lock.release(lambda it: it.postponed(ports.now(), error, ports.ids.jitter(), wait))


def _settled(ports: Ports, lease: Lease) -> datetime:
    return lease.made_by + timedelta(seconds=ports.timing.settle)


def _again(ports: Ports, lock: LeaseLock) -> bool:
    """Whether an earlier attempt may have deleted something just now."""
    return lock.undone_by is not None and ports.now() < lock.undone_by


def _event(
    ports: Ports, lease: Lease, outcome: Outcome, request_id: str, failure: Upstream | Misconfigured | None = None
) -> AuditEvent:
    return AuditEvent(
        at=ports.now(),
        operation="end",
        outcome=outcome,
        request_id=request_id,
        code=failure.stable_code if failure else kept_because(lease.parts),
        reason=f"{lease.cause}: {failure.brief()}" if failure else str(lease.cause or ""),
        role=lease.id.role,
        lease=lease.id,
    )
