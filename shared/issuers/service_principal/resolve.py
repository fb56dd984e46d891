"""Looks up what a service principal role names, when the role is written: can it be issued, and what would it give?

With R role assignments at S scopes and G groups, this makes R+S+G calls at once. It makes one more for each custom role that a
management group may hold, one for each management group that the role names or that is protected, and one for each scope at
which a name is not found. All of them only read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from shared.core.azure_role import AzureRole
from shared.core.definition import ASSIGN, UNASSIGN, Definition, allows, read_at
from shared.core.errors import Absent, Fault, Malformed, OutOfReach, Refused
from shared.core.names import ObjectId, Scope
from shared.core.parameters.known import constant_parts
from shared.core.protection import Protected
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.kinds.calls import Authorization, Directory
from shared.resilience.tasks import all_of, both

_GONE = "Azure has no such scope"
_OUT_OF_REACH = "Azure shows the broker no such subscription or management group"
_UNREADABLE = "the broker may read neither what is there nor what it may do there; its grant does not reach this scope"
_NO_DEFINITION = "there is no such role definition, or the broker may not read it"


@dataclass(slots=True)
class Resolving:
    """Resolves one document. ``protected`` are the scopes that no role may reach."""

    directory: Directory
    authorization: Authorization
    protected: tuple[Scope, ...]
    wanted: ServicePrincipalTarget
    faults: list[Fault] = field(default_factory=list)
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of all definitions, by the keys of the scopes at which one was not found."""
    _held: dict[str, frozenset[str]] = field(default_factory=dict)
    """The descendants of management groups, by the groups' keys."""
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> ServicePrincipalTarget:
        """Returns the target with every definition's id and powers. Raises ``Malformed`` with each fault, or ``Upstream``."""
        wanted = self.wanted
        places = [self._places(role) for role in wanted.azure_roles]
        scopes = list({scope.key: scope for each in places for scope in each}.values())
        (misplaced, found), closed = await both(
            both(
                all_of(*(self._misplaced(scope) for scope in scopes)),
                all_of(*(self._one_definition(role, each) for role, each in zip(wanted.azure_roles, places, strict=True))),
            ),
            all_of(*(self._closed(group) for group in wanted.azure_groups)),
        )
        wrong = {scope.key: why for scope, why in zip(scopes, misplaced, strict=True) if why}
        definitions = [each if isinstance(each, Definition) else None for each in found]
        for index, (role, each) in enumerate(zip(wanted.azure_roles, found, strict=True)):
            path = f"azure_roles[{index}]"
            if place := next((scope for scope in places[index] if scope.key in wrong), None):
                where = "" if place == role.scope else f"{place}: "
                self.faults.append(Fault(f"{path}.scope", f"{where}{wrong[place.key]}"))
            elif not isinstance(each, Definition):
                self.faults.append(Fault(f"{path}.{'role_id' if role.role_id else 'role_name'}", each))
        self.faults += _twice(wanted, definitions)
        self.faults += [Fault(f"azure_groups[{index}].object_id", why) for index, why in enumerate(closed) if why]
        if self.faults:
            raise Malformed(*self.faults, code="unresolvable")
        pairs = zip(wanted.azure_roles, definitions, strict=True)
        return replace(wanted, azure_roles=tuple(_resolved(role, each) for role, each in pairs if each))

    def _places(self, role: AzureRole) -> tuple[Scope, ...]:
        """Returns where to look the role up: at its scope, or above the first hole of it, in each subscription of a list."""
        return (role.scope,) if role.read_at is None else constant_parts(role.scope, self.wanted.parameters)

    async def _one_definition(self, role: AzureRole, places: tuple[Scope, ...]) -> Definition | str:
        """Returns the one definition that the role names at all of these places, or what is wrong."""
        found = await all_of(*(self._definition(replace(role, scope=place)) for place in places))
        wrong = [each for each in found if not isinstance(each, Definition)]
        definitions = [each for each in found if isinstance(each, Definition)]
        if wrong or not definitions:
            return wrong[0] if wrong else _NO_DEFINITION
        if len({each.guid for each in definitions}) > 1:
            return "means another definition in each of the subscriptions: name one that all of them have"
        return definitions[0]

    async def _misplaced(self, scope: Scope) -> str:
        """Returns why the broker cannot assign a role here. Empty if it can, as far as its permissions show."""
        try:
            held = await self.authorization.permissions_at(scope)
            if why := await self._reached(scope):
                return why
        except Absent:
            return _GONE
        except OutOfReach:
            return _OUT_OF_REACH
        except Refused:
            return _UNREADABLE
        if all(role.scope.key != scope.key for role in self.wanted.azure_roles):
            # It lies above a hole. The broker may have been given what it needs further down.
            return ""
        missing = [action for action in (ASSIGN, UNASSIGN) if not allows(held, action)]
        return f"the broker may not do {' and '.join(missing)} here" if missing else ""

    async def _reached(self, scope: Scope) -> str:
        """Why the scope reaches what is protected; empty where it does not. Raises ``Refused`` for a scope out of reach."""
        protected = Protected(scopes=self.protected)
        for group in protected.groups_to_ask(scope):
            try:
                async with self._listing:
                    if group.key not in self._held:
                        self._held[group.key] = await self.authorization.descendants(group)
            except Refused:
                if group.key == scope.key:
                    raise
                return f"whether it lies in {group}, which is protected, cannot be read"
        return protected.reached_through(scope, self._held)

    async def _definition(self, role: AzureRole) -> Definition | str:
        """Returns the one definition that the role names, or what is wrong."""
        try:
            if role.role_id is None:
                return await self._named(role.role_name or "", role.scope)
            found = await self.authorization.definition(read_at(role.role_id, role.scope))
            return (
                found if await self._is_assignable(found, role.scope) else "this custom role cannot be assigned at this scope"
            )
        except Refused:
            return _NO_DEFINITION

    async def _named(self, name: str, scope: Scope) -> Definition | str:
        """Returns the definition of this name, in any case. If only blanks differ, returns the names that may be meant."""
        found = await self.authorization.definitions_named(name, scope)
        meant = [] if found else [each for each in await self._names_at(scope) if _bare(each) == _bare(name)]
        if meant:
            return f"there is no role definition of this name here; the blanks differ from {' and '.join(map(repr, meant))}"
        return found[0] if len(found) == 1 else f"{len(found)} role definitions have this name at this scope"

    async def _names_at(self, scope: Scope) -> tuple[str, ...]:
        """Returns the names of all definitions there. The list is long, and read once, however many names are missing."""
        async with self._listing:
            if scope.key not in self._names:
                self._names[scope.key] = await self.authorization.definition_names_at(scope)
        return self._names[scope.key]

    async def _is_assignable(self, found: Definition, scope: Scope) -> bool:
        if found.is_assignable_at(scope):
            return True
        # A management group in its scopes may hold this scope. Azure lists at a scope the definitions to assign there.
        listed = await self.authorization.definitions_named(found.name, scope)
        return found.guid in {each.guid for each in listed}

    async def _closed(self, group: ObjectId) -> str:
        """Returns why the broker cannot put members into the group. Empty if it can."""
        try:
            return (await self.directory.read_group(group)).why_closed
        except Absent:
            return "there is no such group"
        except Refused:
            return "the broker may not read groups: it lacks the permission for Microsoft Graph that roles with groups take"


def _resolved(role: AzureRole, found: Definition) -> AzureRole:
    return replace(role, definition_id=role.role_id or found.id, powers=found.powers, gone=False, reaches_protected=False)


def _bare(name: str) -> str:
    return "".join(name.split()).casefold()


def _twice(target: ServicePrincipalTarget, definitions: Iterable[Definition | None]) -> list[Fault]:
    """Returns a fault for each repeated assignment. Azure refuses a second of one role at one scope, whatever its condition."""
    wanted = [
        (role.scope.key, found.guid if found else "") for role, found in zip(target.azure_roles, definitions, strict=True)
    ]
    message = "the same role is assigned at the same scope already"
    return [Fault(f"azure_roles[{index}]", message) for index, each in enumerate(wanted) if each[1] and each in wanted[:index]]
