"""Reading again what the definitions of stored roles allow: a custom one may have been changed since the role was written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.broker.ports import Ports
from shared.broker.reconcile.stored_roles import note
from shared.core.azure_role import AzureRole
from shared.core.definition import Powers, read_at
from shared.core.errors import Absent, DefinitionGone, Refused, Upstream
from shared.core.role import Role

log = logging.getLogger(__name__)

_READ = "read_definitions"


@dataclass(frozen=True, slots=True)
class _Found:
    """What a definition allows now; ``None``: it was deleted."""

    powers: Powers | None


async def read_again_of(ports: Ports, request_id: str, role: Role) -> None:
    """The same of one role that was just read, from which nothing could be issued because a definition is gone.

    Raises nothing: what cannot be read or noted now is the next reconciliation's.
    """
    try:
        await read_again(ports, request_id, [role], [])
    except Upstream:
        log.warning("the definitions of role %s could not be noted", role.name, exc_info=True)


async def read_again(ports: Ports, request_id: str, roles: Sequence[Role], unread: list[str]) -> None:
    """Notes in each role what its definitions allow now; one call for each definition, and more only where it cannot be told.

    Adds to ``unread`` what it cannot read. A role whose definitions have become worse is refused from then on by
    ``rules.broken_by``. Raises ``Upstream`` when storage fails.
    """
    known = {
        definition_id: found
        for definition_id, places in _places(ports, roles).items()
        if (found := await _read(ports, definition_id, places, unread)) is not None
    }
    for role in roles:
        before = _roles(ports, role)
        now = tuple(_now(each, known.get(each.definition_id)) for each in before)
        if now != before:
            await _note(ports, request_id, role, before, now)


def _places(ports: Ports, roles: Iterable[Role]) -> Mapping[str, Iterable[str]]:
    """For each definition the ids under which it can be read: one for each scope where a role assigns it."""
    found: dict[str, dict[str, None]] = {}
    for each in (each for role in roles for each in _roles(ports, role)):
        found.setdefault(each.definition_id, {})[read_at(each.definition_id, each.scope)] = None
    return found


async def _read(ports: Ports, definition_id: str, places: Iterable[str], unread: list[str]) -> _Found | None:
    """``None`` when it cannot be told, and nothing changes. A scope that is gone or out of reach says nothing of the others."""
    failure: Upstream | None = None
    for place in places:
        try:
            return _Found((await ports.inventory.definition(place)).powers)
        except DefinitionGone:
            return _Found(None)
        except Absent:
            continue
        except Upstream as met:
            failure = met
            if not isinstance(met, Refused):
                break  # what ails Azure ails it everywhere
    if failure is not None:
        log.warning("%s could not be read: %s", definition_id, failure)
        unread.append(definition_id)
    return None


def _now(role: AzureRole, found: _Found | None) -> AzureRole:
    """One that was gone stays so until the role is written again: whoever makes it anew does not choose what is leased."""
    if found is None:
        return role
    return replace(role, powers=found.powers or role.powers, gone=role.gone or found.powers is None)


async def _note(ports: Ports, request_id: str, role: Role, before: tuple[AzureRole, ...], now: tuple[AzureRole, ...]) -> None:
    changed = [text for new, old in zip(now, before, strict=True) if (text := _told(new, old))]
    target = ports.kinds.of(role).schema.with_azure_roles(role.target, now)
    await note(ports, request_id, role.with_target(target), _READ, "; ".join(changed))


def _roles(ports: Ports, role: Role) -> tuple[AzureRole, ...]:
    kind = ports.kinds.find(role.type)
    return kind.schema.azure_roles(role.target) if kind is not None else ()


def _told(now: AzureRole, before: AzureRole) -> str:
    """What the audit trail says of a definition; empty where it has not changed, or was never read before."""
    if now.gone:
        return "" if before.gone else f"{now.definition_id} is gone"
    if now.powers is None or before.powers is None or now.powers == before.powers:
        return ""
    return f"{now.definition_id} allows {', '.join(now.powers.gives_roles) or 'no giving of roles'}"
