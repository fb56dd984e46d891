"""The forced end of a lease: an operator gives up what Azure does not let the broker delete.

The lease is recorded as ended. The audit trail names everything that may still exist in Azure.
"""

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
"""Attempts to take the lease from another worker. A sweep or an issue changes the lease seldom, so the second attempt wins."""
_GLANCE = 2.0
"""Seconds of the attempt to undo while a service is known to be down. After them the lease is ended by force."""
_TOLD_AT_ONCE = 8
"""Names in one audit event. A scope can have a thousand characters, and storage limits the length of an event's reason."""


async def revoke_as_operator(ports: Ports, actor: Actor, lease_id: LeaseId, *, force: bool) -> Lease:
    """Revokes the lease for an admin. With ``force`` the lease ends even if the undo fails, provided that it failed before.

    While a service that the undo needs is known to be down, only a stuck lease is tried, for two seconds. Any other lease waits
    until the outage is over.

    Raises ``NotFound`` if the caller may not see the lease, ``Forbidden`` if the lease is the caller's own and the caller is no
    admin, ``Conflict`` if other workers keep changing the lease, ``Upstream`` if storage fails.
    """
    await lease_for(ports, actor.caller, lease_id, "write")
    await require(ports, actor.caller, f"leases/{lease_id}", "write")
    if not force:
        return await revoke(ports, actor, lease_id)
    for _ in range(_TRIES):
        try:
            return await _end(ports, actor, await lease_for(ports, actor.caller, lease_id, "write"))
        except LostRace:
            continue
    raise Conflict("The lease is being changed by others; try again.", code="lease_busy")


async def _end(ports: Ports, actor: Actor, lease: Lease) -> Lease:
    """Tries to undo the lease once. If an attempt failed before and this one fails too, the lease ends by force.

    A first failure ends nothing by force: its cause may pass by itself.
    """
    if lease.state is State.ENDED:
        return lease
    down = is_out_of_reach(ports, lease)
    async with await claim(ports, lease, Cause.REVOKED) as lock:
        if down and lease.state is not State.STUCK:
            await ports.audit.record(actor.done(ports, "revoke", role=lease.id.role, lease=lease.id))
            return await leave_to_recovery(ports, lock)
        tried = await undo(ports, lock, request_id=actor.id, within=_GLANCE if down else ports.timing.inline_undo)
        # If the service has come back in these two seconds, the lease is ended with all others that waited for it.
        is_back = down and not is_out_of_reach(ports, lease)
        if tried.state is not State.ENDED and lease.attempts and not is_back:
            await _record_what_is_left(ports, actor, tried)
            return await lock.release(lambda it: it.force_ended(ports.now(), ports.timing.retention))
    await ports.audit.record(actor.done(ports, "revoke", role=lease.id.role, lease=lease.id))
    return tried


async def _record_what_is_left(ports: Ports, actor: Actor, lease: Lease) -> None:
    """Called before the lease ends by force. If the worker dies in between, the trail says it twice rather than never."""
    names = ports.kinds.remains(lease)
    cause = lease.last_error or "not everything was found yet"
    for first in range(0, len(names), _TOLD_AT_ONCE):
        listed = "; ".join(names[first : first + _TOLD_AT_ONCE])
        event = actor.done(ports, "force_revoke", role=lease.id.role, lease=lease.id)
        await ports.audit.record(
            replace(event, code=lease.last_error.partition(":")[0], reason=f"{cause}; may be left behind: {listed}")
        )
