"""Looking again at what stored roles depend on and somebody else owns: it may have changed since the role was written."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from shared.broker.ports import Ports
from shared.broker.reconcile.stored_roles import note
from shared.core.errors import Malformed, Upstream
from shared.core.role import Role, Target
from shared.kinds.kind import Kind, Watched
from shared.kinds.survey import note_unread

log = logging.getLogger(__name__)


async def look_again(ports: Ports, request_id: str, roles: Iterable[Role], unread: list[str]) -> None:
    """Notes in each role how what it depends on stands; the calls of writing the role, once for each such object.

    Adds to ``unread`` what it cannot read. A role that can mint nothing any more is refused from then on by
    ``rules.broken_by``, until it can again. Raises ``Upstream`` when storage fails.
    """
    known: dict[Watched, Target | None] = {}
    for role in roles:
        kind = ports.kinds.find(role.type)
        if kind is None or (watched := kind.schema.watched(role.target)) is None:
            continue
        if watched not in known:
            known[watched] = await _looked_at(kind, role.target, watched, unread)
        if (found := known[watched]) is not None:
            await _note(ports, request_id, role, kind, watched, found)


async def _looked_at(kind: Kind, target: Target, watched: Watched, unread: list[str]) -> Target | None:
    """``None`` when it cannot be told, and nothing changes."""
    place = f"{watched.type} {watched.name}"
    try:
        found: Target = await kind.issuer.resolve(target)
    except Malformed as gone:
        log.warning("%s: %s", place, gone)
        return None
    except Upstream as failure:
        note_unread(unread, place, failure)
        return None
    return found


async def _note(ports: Ports, request_id: str, role: Role, kind: Kind, watched: Watched, found: Target) -> None:
    """If it is something else than before. What the role's writer has asked for stays: only what is looked up is taken over."""
    target = kind.schema.kept(role.target, kind.schema.keep(found))
    if target == role.target:
        return
    closed = kind.schema.closed(target)
    why = closed.faults[0].message if closed is not None else f"the broker can use the {watched.type}, as far as is known"
    await note(ports, request_id, role.with_target(target), watched.operation, f"{watched.name}: {why}")
