"""Reading again what the definitions of stored roles allow: a custom one may have been changed since the role was written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from shared.broker.outside import Outside
from shared.core.audit import AuditEvent, Outcome
from shared.core.definition import Powers, read_at
from shared.core.errors import Absent, DefinitionGone, PreconditionFailed, Upstream
from shared.core.role import AzureRole, Role, ServicePrincipalTarget

log = logging.getLogger(__name__)

_READ = "read_definitions"


@dataclass(frozen=True, slots=True)
class _Found:
    """What a definition allows now; ``None``: it was deleted."""

    powers: Powers | None


async def read_again(outside: Outside, request_id: str, unread: list[str]) -> None:
    """Notes in each role what its definitions allow now; one call for each definition. Adds to ``unread`` what it cannot read.

    A role whose definitions have become worse is refused from then on by ``rules.broken_by``. Raises ``Upstream`` when
    storage fails.
    """
    known: dict[str, _Found | None] = {}
    for role in await outside.roles.list():
        if role.outdated or not isinstance(role.target, ServicePrincipalTarget):
            continue  # one that was read leniently would not be written back as it was
        for each in role.target.azure_roles:
            if each.definition_id and each.definition_id not in known:
                known[each.definition_id] = await _read(outside, each, unread)
        roles = tuple(_now(each, known.get(each.definition_id)) for each in role.target.azure_roles)
        if roles != role.target.azure_roles:
            await _note(outside, request_id, role, replace(role.target, azure_roles=roles))


async def _read(outside: Outside, role: AzureRole, unread: list[str]) -> _Found | None:
    """``None`` when it cannot be told, and nothing changes."""
    try:
        found = await outside.census().definition(read_at(role.definition_id, role.scope))
    except DefinitionGone:
        return _Found(None)
    except Absent:
        return None  # the scope is gone
    except Upstream as failure:
        log.warning("%s could not be read: %s", role.definition_id, failure)
        unread.append(role.definition_id)
        return None
    return _Found(found.powers)


def _now(role: AzureRole, found: _Found | None) -> AzureRole:
    return role if found is None else replace(role, powers=found.powers or role.powers, gone=found.powers is None)


async def _note(outside: Outside, request_id: str, role: Role, target: ServicePrincipalTarget) -> None:
    try:
        await outside.roles.put(role.with_target(target), expected=role.version)
    except PreconditionFailed:
        return  # written meanwhile, and so looked up anew
    changed = [text for now, before in zip(target.azure_roles, _roles(role), strict=True) if (text := _told(now, before))]
    if changed:
        reason = "; ".join(changed)
        event = AuditEvent(outside.now(), _READ, Outcome.DONE, request_id, reason=reason, role=role.name)
        await outside.audit.record(event)


def _roles(role: Role) -> tuple[AzureRole, ...]:
    return role.target.azure_roles if isinstance(role.target, ServicePrincipalTarget) else ()


def _told(now: AzureRole, before: AzureRole) -> str:
    """What the audit trail says of a definition; empty where it has not changed, or was never read before."""
    if now.gone:
        return "" if before.gone else f"{now.definition_id} is gone"
    if now.powers is None or before.powers is None or (now.powers == before.powers and not before.gone):
        return ""
    return f"{now.definition_id} allows {', '.join(now.powers.gives_roles) or 'no giving of roles'}"
