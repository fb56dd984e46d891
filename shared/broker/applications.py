"""Looking again at the applications on which stored roles make their secrets: they are somebody's own, and may have changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from shared.broker.ports import Ports
from shared.broker.reconcile.stored_roles import note
from shared.core.closed_application import closed
from shared.core.errors import Malformed, Upstream
from shared.core.names import ObjectId
from shared.core.role import ApplicationSecretTarget, Role

log = logging.getLogger(__name__)

_READ = "read_application"


async def look_again_at(ports: Ports, request_id: str, role: Role) -> None:
    """The same of one role that was just read, on whose application no secret could be made.

    Raises nothing: what cannot be read or noted now is the next reconciliation's.
    """
    try:
        await look_again(ports, request_id, [role], [])
    except Upstream:
        log.warning("the application of role %s could not be noted", role.name, exc_info=True)


async def look_again(ports: Ports, request_id: str, roles: Iterable[Role], unread: list[str]) -> None:
    """Notes in each role whether a secret can be made on its application; the calls of writing the role, once an application.

    Adds to ``unread`` what it cannot read. A role whose application is closed is refused from then on by ``rules.broken_by``,
    until it is open again. Raises ``Upstream`` when storage fails.
    """
    known: dict[ObjectId, ApplicationSecretTarget | None] = {}
    for role in roles:
        target = role.target
        if not isinstance(target, ApplicationSecretTarget):
            continue
        if target.application_object_id not in known:
            known[target.application_object_id] = await _looked_at(ports, target, unread)
        found = known[target.application_object_id]
        if found is not None and (found.closed, found.owned) != (target.closed, target.owned):
            await _note(ports, request_id, role, replace(target, closed=found.closed, owned=found.owned))


async def _looked_at(ports: Ports, target: ApplicationSecretTarget, unread: list[str]) -> ApplicationSecretTarget | None:
    """``None`` when it cannot be told, and nothing changes."""
    place = f"application {target.application_object_id}"
    try:
        found = await ports.issuers.for_target(target).resolve(target)
    except Malformed as gone:
        log.warning("%s: %s", place, gone)
        return None
    except Upstream as failure:
        log.warning("%s could not be read: %s", place, failure)
        if place not in unread:
            unread.append(place)
        return None
    return found if isinstance(found, ApplicationSecretTarget) else None


async def _note(ports: Ports, request_id: str, role: Role, target: ApplicationSecretTarget) -> None:
    why = "; ".join(fault.message for fault in closed(target)) or "the broker may make secrets on it, as far as is known"
    await note(ports, request_id, role.with_target(target), _READ, f"{target.application_object_id}: {why}")
