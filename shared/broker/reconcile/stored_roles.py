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
    """Returns the roles that may be written back. A role that today's rules could only read in part is left as it is stored."""
    return tuple(role for role in await ports.roles.list() if not role.outdated)


async def note(ports: Ports, request_id: str, role: Role, operation: str, reason: str) -> None:
    """Stores the role, and audits the reason unless it is empty. Raises ``Upstream``.

    If an administrator has written the role since it was read, it is left alone: that write has read the same facts.
    """
    try:
        await ports.roles.put(role, expected=Version(role.version))
    except PreconditionFailed:
        return
    if reason:
        event = AuditEvent(ports.now(), operation, Outcome.DONE, request_id, reason=reason, role=role.name)
        await ports.audit.record(event)


async def look_at_one(ports: Ports, request_id: str, role: Role, look: Look) -> None:
    """Compares one role with Azure, after an issue from it has failed.

    Raises nothing: if something cannot be read or stored now, the next reconciliation does it.
    """
    try:
        await look(ports, request_id, [role], [])
    except Upstream:
        log.warning("role %s could not be compared with Azure, or the result could not be stored", role.name, exc_info=True)
