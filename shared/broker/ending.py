"""Taking a credential back: the one path by which every lease ends, whoever began it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from shared.broker.hold import Hold
from shared.broker.outside import Outside
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import LostRace, Misconfigured, Throttled, Uncertain, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.urgency import done_by

log = logging.getLogger(__name__)


async def claim(outside: Outside, lease: Lease, cause: Cause) -> Hold:
    """Moves the lease to ENDING, held by this worker. Raises ``LostRace``, also when another is ending it; ``Upstream``."""
    if lease.is_being_ended(outside.now()):
        raise LostRace("another worker is ending it")
    hold = Hold(outside, lease)
    await hold.move(lambda it: it.ending(cause, outside.now(), hold.until()))
    return hold


async def take_back(
    outside: Outside,
    hold: Hold,
    *,
    request_id: str,
    patience: float,
    young: bool | None = None,
    maker: bool = False,
    otherwise_due: datetime | None = None,
) -> Lease:
    """Undoes the footprint of a claimed lease; gives the lease as it then stands.

    ENDED when nothing is left; ENDING or STUCK when Azure refused (due again later), when something was absent that may
    only not have replicated yet, or when somebody else may be at work making it, who is not the caller (``maker``).
    Whoever tries before the lease is due says when it was (``otherwise_due``): if Azure does not answer, it is so again. Raises
    ``LostRace`` when another worker took over, ``Upstream`` when storage fails.
    """
    fresh = outside.now() < _settled(outside, hold.lease)
    being_made = not maker and outside.now() < hold.lease.made_by
    until = outside.within(patience)
    try:
        with done_by(until):
            met_all = await _undo(outside, hold, until, young=fresh if young is None else young)
    except (Upstream, Misconfigured) as failure:
        if otherwise_due is not None and isinstance(failure, Uncertain):
            return await put_off(outside, hold, failure.brief(), (otherwise_due - outside.now()).total_seconds())
        return await _failed(outside, hold, failure, request_id)
    if being_made or (fresh and not met_all):
        return await hold.release(lambda lease: lease.looked_at_again(_settled(outside, lease)))
    if outside.now() >= hold.lease.due_at:
        # This worker has stood still for longer than its hold: is the lease still its own?
        await hold.move(lambda lease: lease.held_until(hold.until()))
    # Told before it is moved: a death in between tells it twice rather than never. Nobody else comes in between: the lease is
    # held, and whoever finds it so leaves it alone.
    await outside.audit.record(_event(outside, hold.lease, Outcome.DONE, request_id))
    return await hold.release(lambda lease: lease.ended(outside.now(), outside.timing.retention))


async def _undo(outside: Outside, hold: Hold, wait_until: float, *, young: bool) -> bool:
    issuer = outside.issuers.for_footprint(hold.lease.footprint)
    located = await issuer.locate(hold.lease.footprint, young=young, wait_until=wait_until)
    if located != hold.lease.footprint:
        await hold.move(lambda lease: lease.knowing(located))
    return await issuer.undo(located, young=young, wait_until=wait_until, again=_again(outside, hold), note=hold.note)


async def _failed(outside: Outside, hold: Hold, failure: Upstream | Misconfigured, request_id: str) -> Lease:
    log.warning("lease %s could not be ended: %s", hold.lease.id, failure)
    await outside.audit.record(_event(outside, hold.lease, Outcome.FAILED, request_id, failure))
    if isinstance(failure, Throttled):
        return await put_off(outside, hold, failure.brief(), failure.retry_after or 0.0)
    if hold.lease.on_last_attempt:
        await outside.audit.record(replace(_event(outside, hold.lease, Outcome.FAILED, request_id, failure), operation="stuck"))
    lease = await hold.release(lambda lease: lease.failed(outside.now(), failure.brief(), outside.ids.jitter()))
    if lease.state is State.STUCK:
        log.error("lease %s is stuck after %d attempts: %s", lease.id, lease.attempts, failure)
    return lease


async def put_off(outside: Outside, hold: Hold, error: str, wait: float) -> Lease:
    """Leaves a claimed lease to a later attempt, in ``wait`` seconds or more; this one has not failed. Raises as ``move``."""
    return await hold.release(lambda it: it.put_off(outside.now(), error, outside.ids.jitter(), wait))


def _settled(outside: Outside, lease: Lease) -> datetime:
    return lease.made_by + timedelta(seconds=outside.timing.settle)


def _again(outside: Outside, hold: Hold) -> bool:
    """Whether an earlier attempt may have deleted something just now."""
    return hold.undone_by is not None and outside.now() < hold.undone_by


def _event(
    outside: Outside, lease: Lease, outcome: Outcome, request_id: str, failure: Upstream | Misconfigured | None = None
) -> AuditEvent:
    return AuditEvent(
        at=outside.now(),
        operation="end",
        outcome=outcome,
        request_id=request_id,
        code=failure.stable_code if failure else "",
        reason=f"{lease.cause}: {failure.brief()}" if failure else str(lease.cause or ""),
        role=lease.id.role,
        lease=lease.id,
    )
