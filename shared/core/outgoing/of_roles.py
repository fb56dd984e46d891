"""The events that tell of a role: that somebody has changed it, and that its pool is low."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from shared.core.audit import AuditEvent
from shared.core.names import RoleName
from shared.core.outgoing.event import EventType, OutgoingEvent, written

ROLES = "roles/"
TOLD = (ROLES, "event-rules/")
"""The documents of whose changes an event tells, by the beginnings of their paths."""
_FIELD = re.compile(r"[a-z_0-9]+")


def change_of(event: AuditEvent) -> OutgoingEvent | None:
    """Returns the event that tells of an audited change to a document, or ``None`` if nobody is told of such a document.

    It has the id of the audit event. It names the fields that have changed, and has no value of them.
    """
    if not event.document.startswith(TOLD):
        return None
    caller = event.caller
    paths = [str(change["path"]) for change in event.changes]
    # What audit has no room for is counted in a last path that is no field's.
    fields = [found[0] for path in paths if (found := _FIELD.match(path)) and " " not in path]
    data: dict[str, Any] = {
        "document": event.document,
        "name": event.document.partition("/")[2],
        "deleted": event.operation.startswith("delete"),
        "who": {"object_id": caller.object_id, "tenant_id": caller.tenant_id} if caller is not None else None,
        "fields": sorted({*fields}),
        "more_fields": len(fields) < len(paths),
    }
    return OutgoingEvent(event.id, EventType.ROLE_CHANGED, event.document, event.at, data)


def pool_low(event_id: str, role: RoleName, now: datetime, *, ready: int, wanted: int, since: datetime) -> OutgoingEvent:
    """Returns the event that tells of a pool in which fewer than half of the leases have stood for ten minutes."""
    data = {"role": role, "ready": ready, "wanted": wanted, "since": written(since)}
    return OutgoingEvent(event_id, EventType.POOL_LOW, f"{ROLES}{role}", now, data)
