"""An event that the broker publishes: a CloudEvent 1.0 (https://github.com/cloudevents/spec), without what all have alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What an event tells of."""

    ISSUED = "leasehold.lease.issued"
    RENEWED = "leasehold.lease.renewed"
    EXPIRING = "leasehold.lease.expiring"
    ENDED = "leasehold.lease.ended"
    STUCK = "leasehold.lease.stuck"
    POOL_LOW = "leasehold.pool.low"
    ROLE_CHANGED = "leasehold.role.changed"


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event. ``id`` is a ULID, by which a consumer knows that it has seen the event before.

    ``data`` holds no secret, and nothing that is in a caller's own words.
    """

    id: str
    type: EventType
    subject: str
    at: datetime
    data: Mapping[str, Any]

    def as_document(self) -> dict[str, Any]:
        """Returns what is stored of it, and published, as JSON."""
        return {"id": self.id, "type": self.type, "subject": self.subject, "time": written(self.at), "data": dict(self.data)}


def written(at: datetime) -> str:
    """Returns an instant as events tell it: in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
