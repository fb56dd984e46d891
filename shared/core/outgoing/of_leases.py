"""The event that tells of a lease's move: what the lease was, and what it is now, say which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.core.lease import Cause, Lease, State
from shared.core.outgoing.event import EventType, OutgoingEvent, written
from shared.core.ports.system import Ids

MOST_REMAINS = 20
"""Names of what may remain of a stuck lease that its event tells. The lease itself has all of them."""
_CODE = re.compile("[a-z0-9_]+")
"""What a lease's last error begins with. What follows may be Azure's words."""
_OF_PROMISED = (Cause.REVOKED, Cause.VANISHED, Cause.EXPIRED, Cause.SUBJECT_GONE, Cause.SUBJECT_REPLACED)
ROLE_REVOKED = "role_revoked"
"""The cause that an event tells of a lease whose role was revoked. The lease itself says ``revoked``."""


def to_be_told(former: Lease, lease: Lease, now: datetime) -> Lease:
    """Returns the lease as it is stored where its moves are told.

    A lease that gets an end is due early, so that the sweep tells of the end in time.
    """
    if lease.state is not State.ACTIVE:
        return lease
    if former.state is not State.ACTIVE:
        return replace(lease.to_be_told(_near(lease, now)), told=True)
    return lease.to_be_told(_near(lease, now)) if lease.expires_at != former.expires_at else lease


def _near(lease: Lease, now: datetime) -> datetime:
    """Returns the instant at which two thirds of the time from now until the lease's end are over, to the millisecond."""
    near = now + (lease.expires_at - now) * 2 / 3
    return near.replace(microsecond=near.microsecond // 1000 * 1000)


def event_of(former: Lease, lease: Lease, *, now: datetime, ids: Ids, remains: Sequence[str] = ()) -> OutgoingEvent | None:
    """Returns the event that tells of the move, or ``None`` if nobody is told of it.

    ``remains``: what may be left of the lease in Azure.
    """
    found = _told_of(former, lease, remains)
    if found is None:
        return None
    event_type, more = found
    subject = f"roles/{lease.id.role}/leases/{lease.id}"
    return OutgoingEvent(ids.ulid(now), event_type, subject, now, {**_base(lease), **more})


def _told_of(former: Lease, lease: Lease, remains: Sequence[str]) -> tuple[EventType, Mapping[str, Any]] | None:
    found: tuple[EventType, Mapping[str, Any]] | None = None
    if lease.state is State.ACTIVE:
        found = _while_active(former, lease) if former.state is State.ACTIVE else _issued(lease)
    elif lease.state is not former.state and lease.state is State.STUCK:
        code = _CODE.match(lease.last_error)
        found = EventType.STUCK, {"last_error": code[0] if code else "", "may_remain": list(remains[:MOST_REMAINS])}
    elif lease.state is not former.state and lease.state is State.ENDED and _is_known(lease):
        found = EventType.ENDED, {"cause": _cause(lease), "residual_until": _written(lease.residual_until)}
    return found if lease.holder is not None else None


def _issued(lease: Lease) -> tuple[EventType, Mapping[str, Any]]:
    delivered = lease.delivery
    lies = {"delivered_to": f"{delivered.vault}/secrets/{delivered.name}"} if delivered is not None else {}
    return EventType.ISSUED, {"ready": lease.ready, **lies}


def _while_active(former: Lease, lease: Lease) -> tuple[EventType, Mapping[str, Any]] | None:
    if lease.expires_at != former.expires_at:
        return EventType.RENEWED, {"former_expires_at": written(former.expires_at)}
    if former.tell_at is not None and lease.tell_at is None:
        return EventType.EXPIRING, {"renewable": lease.renewable, "max_expires_at": written(lease.max_expires_at)}
    return None


def _is_known(lease: Lease) -> bool:
    """Returns whether anybody was told of a lease that has ended: by an event, with its credential, or by a 202."""
    promised = lease.prepare_by is not None and lease.cause in _OF_PROMISED
    return lease.told or lease.handed_out or promised or lease.cause is Cause.UNCOLLECTED


def _cause(lease: Lease) -> str:
    return ROLE_REVOKED if lease.role_revoked and lease.cause is Cause.REVOKED else str(lease.cause or "")


def _base(lease: Lease) -> dict[str, Any]:
    holder = lease.known_holder
    return {
        "lease": lease.id,
        "role": lease.id.role,
        "type": lease.type,
        "holder": {"object_id": holder.object_id, "tenant_id": holder.tenant_id},
        "issued_at": written(lease.issued_at),
        "expires_at": written(lease.expires_at),
    }


def _written(at: datetime | None) -> str | None:
    return written(at) if at is not None else None
