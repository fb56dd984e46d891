"""What the audit trail and the counts tell of events."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import MutableMapping
from datetime import datetime
from hashlib import sha256
from typing import Final
from weakref import WeakKeyDictionary

from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.events.event import Event
from shared.core.ports.audit import Audit
from shared.core.ports.event_counts import Counted

log = logging.getLogger(__name__)

_MOST_A_MINUTE: Final = 100
_MINUTE: Final = 60.0
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ULID: Final = 26
_told: MutableMapping[Audit, deque[float]] = WeakKeyDictionary()
"""By the trail of a worker: when it was told of events that could not be read, within the last minute."""


async def unreadable(ports: Ports, request_id: str, octets: int, message_id: str) -> None:
    """Tells of an event that nobody can read: its size and where it came from, and nothing that it says."""
    await ports.event_counts.add(Counted.DROPPED)
    log.warning("event %s of %d octets (%s) cannot be read, and is dropped", message_id, octets, request_id)
    latest, now = _told.setdefault(ports.audit, deque()), ports.clock.monotonic()
    while latest and latest[0] <= now - _MINUTE:
        latest.popleft()
    if len(latest) < _MOST_A_MINUTE:
        latest.append(now)
        reason = f"{octets} octets, message {message_id}"
        await ports.audit.record(
            AuditEvent(ports.now(), "event", Outcome.REFUSED, request_id, code="event_unreadable", reason=reason)
        )


async def tell(
    ports: Ports,
    request_id: str,
    event: Event,
    *,
    code: str = "",
    reason: str = "",
    rule: str = "",
    role: str = "",
    lease: str = "",
    once: str = "",
) -> None:
    """Records what became of an event. With a ``code`` it is a refusal.

    With ``once``, the trail keeps one record of the event for that word, however often it is told.
    """
    outcome = Outcome.REFUSED if code else Outcome.DONE
    await ports.audit.record(
        AuditEvent(
            at=event.first_seen if once else ports.now(),
            operation="event",
            outcome=outcome,
            request_id=request_id,
            code=code,
            reason=reason,
            role=role,
            lease=lease,
            event=event.id,
            rule=rule,
            subject=event.subject,
            id=_id_of(event.first_seen, event.source, event.id, event.subject, rule, once) if once else "",
        )
    )


def _id_of(at: datetime, *parts: str) -> str:
    """Returns a text in the form of a ULID that is always the same for the same parts."""
    number = int.from_bytes(sha256("\0".join((at.isoformat(), *parts)).encode()).digest())
    digits = (_DIGITS[(number >> (5 * place)) & 31] for place in range(_ULID - 1))
    return "0" + "".join(digits)
