"""Reading again what the definitions of stored roles allow: a custom one may have been changed since the role was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shared.broker.ports import Ports
from shared.broker.reconcile.stored_roles import note
from shared.core.azure_role import AzureRole
from shared.core.definition import Powers, read_at
from shared.core.errors import Absent, DefinitionGone, Refused, Upstream
from shared.core.role import Role
from shared.kinds.survey import note_unread

_READ = "read_definitions"


@dataclass(frozen=True, slots=True)
class _Found:
    """What a role definition allows now. ``powers`` is ``None`` if the definition was deleted."""

    powers: Powers | None


def was_never_read(ports: Ports, role: Role) -> bool:
    """Returns whether nobody has read yet what the role's definitions allow. Older versions stored roles without reading it."""
    return not role.outdated and any(each.powers is None and not each.gone for each in ports.kinds.azure_roles(role))


async def read_for_the_first_time(ports: Ports, request_id: str, role: Role) -> None:
    """Reads what the role's definitions allow, and stores it in the role. After that the role may break a rule of today.

    Raises ``Upstream`` if storage fails, or if something cannot be read.
    """
    await _read_again(ports, request_id, [role], _raise)


async def read_again(ports: Ports, request_id: str, roles: Sequence[Role], unread: list[str]) -> None:
    """Reads what the definitions of each role allow now, and whether the role's scopes contain what is protected. Stores both
    in the role.

    Makes one call for each definition, and more only if the first answer does not say what the definition allows. Makes one
    call for each management group that a scope may lie in. What cannot be read is added to ``unread``, once. If a role now
    breaks a rule, ``rules.broken_by`` refuses it from then on. Raises ``Upstream`` if storage fails.
    """
    await _read_again(ports, request_id, roles, partial(note_unread, unread))


type OnFailure = Callable[[str, Upstream], None]
"""Called with what could not be read, and why."""


def _raise(_place: str, failure: Upstream) -> None:
    raise failure


async def _read_again(ports: Ports, request_id: str, roles: Sequence[Role], on_failure: OnFailure) -> None:
    known = {
        definition_id: found
        for definition_id, places in _places(ports, roles).items()
        if (found := await _read(ports, definition_id, places, on_failure)) is not None
    }
    reached = await _reached(ports, roles, on_failure)
    for role in roles:
        before = ports.kinds.azure_roles(role)
        now = tuple(_now(each, known.get(each.definition_id), reaches=reached.get(each.place.key)) for each in before)
        if now != before:
            await _note(ports, request_id, role, before, now)


async def _reached(ports: Ports, roles: Sequence[Role], on_failure: OnFailure) -> Mapping[str, bool]:
    """Returns, by the key of each scope, whether the scope contains what is protected. Omits a scope if a management group
    that decides this could not be read.
    """
    scopes = {each.place.key: each.place for role in roles for each in ports.kinds.azure_roles(role)}
    groups = {group.key: group for scope in scopes.values() for group in ports.protected.groups_to_ask(scope)}
    held: dict[str, frozenset[str]] = {}
    for key, group in groups.items():
        try:
            held[key] = await ports.inventory.descendants(group)
        except Absent:
            held[key] = frozenset()
        except Upstream as failure:
            on_failure(group, failure)
    return {
        key: bool(ports.protected.reached_through(scope, held))
        for key, scope in scopes.items()
        if (asked := ports.protected.groups_to_ask(scope)) and all(group.key in held for group in asked)
    }


def _places(ports: Ports, roles: Iterable[Role]) -> Mapping[str, Iterable[str]]:
    """Returns, for each definition, the ids under which Azure shows it: one id for each scope at which a role assigns it."""
    found: dict[str, dict[str, None]] = {}
    for each in (each for role in roles for each in ports.kinds.azure_roles(role)):
        found.setdefault(each.definition_id, {})[read_at(each.definition_id, each.place)] = None
    return found


async def _read(ports: Ports, definition_id: str, places: Iterable[str], on_failure: OnFailure) -> _Found | None:
    """Returns what the definition allows, or ``None`` if no scope shows it: then the role stays as it is.

    If one scope is gone, or the broker may not read it, the next scope is tried.
    """
    failure: Upstream | None = None
    for place in places:
        try:
            return _Found((await ports.inventory.definition(place)).powers)
        except DefinitionGone:
            return _Found(None)
        except Absent:
            continue
        except Upstream as found:
            failure = found
            if not isinstance(found, Refused):
                break  # Azure fails as a whole: another scope would not answer either.
    if failure is not None:
        on_failure(definition_id, failure)
    return None


def _now(role: AzureRole, found: _Found | None, *, reaches: bool | None) -> AzureRole:
    """Returns the assignment with what was read now. An argument that is ``None`` could not be read and changes nothing.

    A definition that was deleted counts as deleted until an administrator writes the role again. A new definition with the
    same id may allow more, and its author must not decide what the broker leases.
    """
    if reaches is not None:
        role = replace(role, reaches_protected=reaches)
    if found is None:
        return role
    return replace(role, powers=found.powers or role.powers, gone=role.gone or found.powers is None)


async def _note(ports: Ports, request_id: str, role: Role, before: tuple[AzureRole, ...], now: tuple[AzureRole, ...]) -> None:
    changed = [text for new, old in zip(now, before, strict=True) if (text := _told(new, old))]
    target = ports.kinds.of(role).schema.with_azure_roles(role.target, now)
    await note(ports, request_id, role.with_target(target), _READ, "; ".join(changed))


def _told(now: AzureRole, before: AzureRole) -> str:
    """Returns what the audit trail says of the assignment: empty if nothing changed, or if it was read for the first time."""
    if now.reaches_protected != before.reaches_protected:
        return f"{now.scope} {'reaches' if now.reaches_protected else 'does not reach'} what is protected"
    if now.gone:
        return "" if before.gone else f"{now.definition_id} is gone"
    if now.powers is None or before.powers is None or now.powers.judged_like(before.powers):
        return ""
    return f"{now.definition_id} allows {', '.join(now.powers.gives_roles) or 'no giving of roles'}"
