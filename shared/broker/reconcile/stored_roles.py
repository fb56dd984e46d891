"""Stored roles, and what is noted in them of Azure as it is now."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from shared.broker.ports import Ports
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import PreconditionFailed, Upstream
from shared.core.ports.documents import Version
from shared.core.role import Role

log = logging.getLogger(__name__)

type Look = Callable[[Ports, str, Sequence[Role], list[str]], Awaitable[None]]
"""Notes in roles what Azure says of them now, and adds to the list what it cannot read."""


async def to_look_at(ports: Ports) -> tuple[Role, ...]:
    """The roles in which something may be noted: one that was read leniently would not be written back as it was."""
    return tuple(role for role in await ports.roles.list() if not role.outdated)


async def note(ports: Ports, request_id: str, role: Role, operation: str, reason: str) -> None:
    """Stores the role if it has not been written since it was read, and audits why; an empty reason is not audited.

    A role that was written meanwhile was looked up anew by that. Raises ``Upstream``.
    """
    try:
        await ports.roles.put(role, expected=Version(role.version))
    except PreconditionFailed:
        return
    if reason:
        event = AuditEvent(ports.now(), operation, Outcome.DONE, request_id, reason=reason, role=role.name)
        await ports.audit.record(event)


async def look_at_one(ports: Ports, request_id: str, role: Role, look: Look) -> None:
    """Looks at one role that was just read, from which nothing could be issued.

    Raises nothing: what cannot be read or noted now is the next reconciliation's.
    """
    try:
        await look(ports, request_id, [role], [])
    except Upstream:
        log.warning("what Azure says of role %s now could not be noted", role.name, exc_info=True)
