"""Letting go of a lease that cannot be ended: an operator's last resort, told with all that may be left behind."""

from __future__ import annotations

from dataclasses import replace

from shared.broker.access import lease_for, require
from shared.broker.ending.undo import claim, undo
from shared.broker.ports import Actor, Ports
from shared.broker.revoke import is_out_of_reach, leave_to_recovery, revoke
from shared.core.errors import Conflict, LostRace
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId

_TRIES = 5
"""Against whoever is at work on the lease: a sweep or an issue loses it to the second try, for it moves the lease seldom."""
_GLANCE = 2.0
"""Seconds for which a service that is known to be down is asked once more before a lease is let go."""
_TOLD_AT_ONCE = 8
"""Names in one event: scopes are up to a thousand characters long, and an event's reason has its limit in storage."""


async def revoke_as_operator(ports: Ports, actor: Actor, lease_id: LeaseId, *, force: bool) -> Lease:
    """For admins: as ``revoke``; with ``force`` a lease that has failed to end before is let go if it fails again.

    While a service that its end asks is known to be down, only a stuck lease is tried, and not for long; another one is left
    to the end of the outage.

    Raises ``NotFound`` for a lease that the caller may not even see, ``Forbidden`` for one of its own, ``Conflict`` when others
    keep moving the lease, ``Upstream`` (storage).
    """
    await lease_for(ports, actor.caller, lease_id, "write")
    require(actor.caller, f"leases/{lease_id}", "write")
    if not force:
        return await revoke(ports, actor, lease_id)
    for _ in range(_TRIES):
        try:
            return await _end(ports, actor, await lease_for(ports, actor.caller, lease_id, "write"))
        except LostRace:
            continue
    raise Conflict("The lease is being changed by others; try again.", code="lease_busy")


async def _end(ports: Ports, actor: Actor, lease: Lease) -> Lease:
    """One attempt to undo it. Only what has withstood others before is let go: the first failure may pass by itself."""
    if lease.state is State.ENDED:
        return lease
    down = is_out_of_reach(ports, lease)
    async with await claim(ports, lease, Cause.REVOKED) as lock:
        if down and lease.state is not State.STUCK:
            await ports.audit.record(actor.done(ports, "revoke", role=lease.id.role, lease=lease.id))
            return await leave_to_recovery(ports, lock)
        tried = await undo(ports, lock, request_id=actor.id, within=_GLANCE if down else ports.timing.inline_undo)
        # If the service has come back in that short time, the lease is taken up as all others that wait.
        is_back = down and not is_out_of_reach(ports, lease)
        if tried.state is not State.ENDED and lease.attempts and not is_back:
            await _tell(ports, actor, tried)
            return await lock.release(lambda it: it.force_ended(ports.now(), ports.timing.retention))
    await ports.audit.record(actor.done(ports, "revoke", role=lease.id.role, lease=lease.id))
    return tried


async def _tell(ports: Ports, actor: Actor, lease: Lease) -> None:
    """Before it is let go: a death in between tells it twice rather than never."""
    names = ports.kinds.remains(lease)
    cause = lease.last_error or "not everything was found yet"
    for first in range(0, len(names), _TOLD_AT_ONCE):
        listed = "; ".join(names[first : first + _TOLD_AT_ONCE])
        event = actor.done(ports, "force_revoke", role=lease.id.role, lease=lease.id)
        await ports.audit.record(
            replace(event, code=lease.last_error.partition(":")[0], reason=f"{cause}; may be left behind: {listed}")
        )
