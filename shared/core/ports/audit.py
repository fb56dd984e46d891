"""The port to the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.audit import AuditEvent
from shared.core.names import ObjectId
from shared.core.ports.page import Page


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The events to read. Times are in UTC. ``since`` is included, ``until`` is not."""

    since: datetime
    until: datetime
    caller: ObjectId | None = None
    role: str | None = None
    lease: str | None = None
    document: str | None = None
    """A document of the configuration, as a path: ``policies/readers``."""
    limit: int = 100
    cursor: str | None = None


class Audit(Protocol):
    """The audit trail."""

    async def record(self, event: AuditEvent) -> None:
        """Returns when the event is durable. An event with an ``id`` that the trail has already is not kept again."""
        ...

    async def read(self, query: AuditQuery) -> Page[AuditEvent]:
        """Returns events in the order of time. Raises ``Malformed`` if the cursor is not one of its own."""
        ...
