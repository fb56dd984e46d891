"""Who may do what: role assignments at a scope and above it, through groups too, with their conditions."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from local.cloud.rbac import builtin_roles
from local.cloud.rbac.condition_evaluation import Circumstances, UnknownAttributeError, action_matches, holds
from local.cloud.rbac.condition_syntax import ConditionSyntaxError, parse
from local.cloud.rbac.scopes import Scope, lineage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.disturbances.profiles import Observer
    from local.cloud.engine.http import Json
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Group
    from local.cloud.tenant.resources import RoleAssignment, RoleDefinition


class Verdict(Enum):
    """The outcome of an authorization decision."""

    GRANTED = "granted"
    REFUSED = "refused"
    CONDITION_UNMET = "a role would grant it, were it not for its condition"


def decide(
    world: LocalAzure,
    principal_id: str,
    scope: Scope,
    circumstances: Circumstances,
    *,
    data: bool = False,
    observer: Observer = "arm",
) -> Verdict:
    """Whether this principal may do ``circumstances.action`` at this scope; ``data`` for data actions.

    ``observer`` says who asks: each service learns of assignments in its own time.
    """
    return judged(world, principal_id, scope, circumstances, data=data, observer=observer)[0]


def judged(
    world: LocalAzure,
    principal_id: str,
    scope: Scope,
    circumstances: Circumstances,
    *,
    data: bool = False,
    observer: Observer = "arm",
) -> tuple[Verdict, RoleAssignment | None]:
    """The same, with the assignment that gives the right."""
    verdict = Verdict.REFUSED
    for assignment in effective(world, principal_id, scope, observer):
        definition = definition_of(world, assignment)
        if definition is None or not grants(definition, circumstances.action, data=data):
            continue
        if assignment.condition is None or _fulfilled(assignment.condition, circumstances):
            return Verdict.GRANTED, assignment
        verdict = Verdict.CONDITION_UNMET
    return verdict, None


def _fulfilled(condition: str, circumstances: Circumstances) -> bool:
    """A text that is no condition cannot be sent to Azure; put into the tenant otherwise, nothing fulfils it.

    Nor does anything fulfil a condition whose outcome depends on an attribute that the service does not know.
    """
    try:
        return holds(parse(condition), circumstances)
    except (ConditionSyntaxError, UnknownAttributeError):
        return False


def effective(world: LocalAzure, principal_id: str, scope: Scope, observer: Observer = "arm") -> Iterator[RoleAssignment]:
    """The assignments that count for this principal at this scope: those that this observer has seen by now."""
    above = frozenset(lineage(world, scope))
    for assignment in assigned_to(world, principal_id, observer):
        if assignment.scope.casefold() in above and world.consistency.of(observer).sees(
            observer, "assignment", assignment.name
        ):
            yield assignment


def assigned_to(world: LocalAzure, principal_id: str, observer: Observer = "arm") -> Iterator[RoleAssignment]:
    """The assignments of this principal and of the groups that it is in, at any scope; those removed just now as well."""
    holders = {principal_id.lower(), *memberships(world, principal_id, observer)}
    for holder in holders:
        yield from world.tree.role_assignments.of(holder)
    ended = world.consistency.of(observer).ghosts.of("assignment")
    yield from (item for item in ended if item.principal_id.lower() in holders)


def memberships(world: LocalAzure, object_id: str, observer: Observer = "arm") -> set[str]:
    """Object ids of the groups that hold this object, directly or through other groups."""
    found: set[str] = set()
    frontier = {object_id.lower()}
    while frontier:
        frontier = {
            group.id
            for group in world.directory.groups.values()
            if group.id not in found and _stands(world, group, observer) and _holds_any(world, group, frontier, observer)
        }
        found |= frontier
    return found


def _stands(world: LocalAzure, group: Group, observer: Observer) -> bool:
    if group.deleted is None:
        return True
    seen = world.consistency.of(observer)
    return seen.ghosts.holds("group", group.id) and seen.sees(observer, "group", group.id)


def _holds_any(world: LocalAzure, group: Group, wanted: set[str], observer: Observer) -> bool:
    seen = world.consistency.of(observer)
    left = (member for of, member in seen.ghosts.of("member") if of == group.id)
    here = wanted.intersection((*group.members, *left))
    return any(seen.sees(observer, "member", group.id, member) for member in here)


def definition_of(world: LocalAzure, assignment: RoleAssignment) -> RoleDefinition | None:
    """The role that is assigned."""
    return find_definition(world, assignment.role_definition_id.rsplit("/", 1)[-1])


def find_definition(world: LocalAzure, name: str) -> RoleDefinition | None:
    """The role with this GUID, built in or custom."""
    return builtin_roles.BY_NAME.get(name.lower()) or world.tree.role_definitions.get(name.lower())


def grants(definition: RoleDefinition, action: str, *, data: bool) -> bool:
    """Whether a role's permissions include the action: in actions and not in notActions of one and the same entry."""
    allowed, excepted = ("dataActions", "notDataActions") if data else ("actions", "notActions")
    return any(
        _matches_any(entry, allowed, action) and not _matches_any(entry, excepted, action) for entry in definition.permissions
    )


def _matches_any(entry: Json, field: str, action: str) -> bool:
    return any(action_matches(pattern, action) for pattern in entry.get(field, ()))
