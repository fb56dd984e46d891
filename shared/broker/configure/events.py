"""The audit event of a change to a document: stored in one transaction with the change, and then recorded in the trail.

A worker may die between the two. The change is there then, and a caller who asks for it again changes nothing. So the event
waits in the store of the documents, and the next reconciliation records it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from shared.broker.configure.changes import changes_between
from shared.broker.ports import Actor, Ports
from shared.broker.telling.announce import announce
from shared.core.audit import AuditEvent
from shared.core.errors import Upstream

log = logging.getLogger(__name__)

type Document = Mapping[str, Any]


class Changed(Protocol):
    """A store of documents, as far as it keeps the events of their changes."""

    async def pending_events(self) -> tuple[AuditEvent, ...]:
        """As in ``Documents``."""
        ...

    async def forget_event(self, event: AuditEvent) -> None:
        """As in ``Documents``."""
        ...


def change_event(
    ports: Ports,
    actor: Actor,
    operation: str,
    path: str,
    before: Document | None,
    after: Document | None,
    *,
    role: str = "",
    reason: str = "",
) -> AuditEvent:
    """Returns the event of a change to the document ``path``, such as ``policies/readers``. ``None``: it is not there."""
    changes = changes_between(before, after)
    event = actor.done(ports, operation, role=role, reason=reason, document=path, changes=changes)
    return replace(event, id=ports.ids.ulid(event.at))


async def tell(ports: Ports, documents: Changed, event: AuditEvent) -> None:
    """Records the event of a stored change, and announces it. Raises ``Upstream`` if that fails: then the event waits."""
    await ports.audit.record(event)
    await announce(ports, event)
    try:
        await documents.forget_event(event)
    except Upstream:
        log.warning("the event %s of %s is recorded, and waits to be forgotten", event.id, event.document, exc_info=True)


async def tell_pending(ports: Ports) -> None:
    """Records the events that wait. Raises ``Upstream``.

    The writer of one may be alive, and record it as well: the trail keeps it once.
    """
    stores: tuple[Changed, ...] = (ports.roles, ports.auth_roles, ports.policies, ports.event_rules)
    for documents in stores:
        for event in await documents.pending_events():
            await tell(ports, documents, event)
