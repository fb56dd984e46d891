"""The targets that no role may have: the broker's own identity, application and resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from unicodedata import normalize

from shared.core.azure_role import AzureRole
from shared.core.errors import Caution, Fault
from shared.core.names import ObjectId, Scope


@dataclass(frozen=True, slots=True)
class Protected:
    """``identities`` are object ids and client ids. ``scopes`` are resources, protected with all below them."""

    identities: frozenset[ObjectId] = frozenset()
    scopes: tuple[Scope, ...] = ()

    def faults(self, azure_roles: Iterable[AzureRole]) -> tuple[Fault, ...]:
        """Returns the faults of a role with these assignments."""
        return tuple(
            Fault(f"azure_roles[{index}].scope", why) for index, role in enumerate(azure_roles) if (why := self._reached(role))
        )

    def is_own(self, *ids: ObjectId | None) -> bool:
        """Returns whether one of these is the broker's own application or identity."""
        return not self.identities.isdisjoint(each for each in ids if each is not None)

    def warnings(self, azure_roles: Iterable[AzureRole]) -> tuple[Caution, ...]:
        """Returns what a role with these assignments may do and its author should know."""
        return tuple(
            Caution(f"azure_roles[{index}].scope", "reads_protected", f"the role reads what is protected: {below[0]}")
            for index, role in enumerate(azure_roles)
            if role.powers is not None and role.powers.only_reads and (below := self._below(role.scope))
        )

    def groups_to_ask(self, scope: Scope) -> tuple[Scope, ...]:
        """The management groups whose descendants tell whether the scope reaches what is protected.

        By its id alone nobody can tell in which management groups a subscription lies.
        """
        if not self.scopes:
            return ()
        asked = [scope] if scope.is_management_group else []
        return (*asked, *(each for each in self.scopes if each.is_management_group and each.key != scope.key))

    def reached_through(self, scope: Scope, descendants: Mapping[str, Iterable[str]]) -> str:
        """Why the scope may not be assigned at; empty where it may.

        ``descendants`` are ids of what each of ``groups_to_ask`` holds, directly or not, by its key.
        """
        if any(_lies_in(each, Scope(held)) for each in self.scopes for held in descendants.get(scope.key, ())):
            return "the management group holds the broker's own resources"
        groups = (each for each in self.scopes if each.is_management_group)
        if any(_lies_in(scope, Scope(held)) for group in groups for held in descendants.get(group.key, ())):
            return "lies in a management group that is protected"
        return ""

    def _reached(self, role: AzureRole) -> str:
        """Returns why the role may not be assigned there. Empty if it may, or if its definition was not read yet."""
        if any(_lies_in(role.scope, scope) for scope in self.scopes):
            return "a role may not reach the broker's own resources"
        if role.reaches_protected:
            return "reaches the broker's own resources through a management group"
        below = self._below(role.scope)
        if not below or role.powers is None or role.powers.only_reads:
            return ""
        return f"lies above what is protected, {below[0]}: a role here may do nothing but read, without data actions"

    def _below(self, scope: Scope) -> list[Scope]:
        return [each for each in self.scopes if _lies_in(each, scope)]


def _lies_in(scope: Scope, other: Scope) -> bool:
    """Returns whether the scope is the other or lies below it, however an accented letter is written: in doubt it does.

    Unicode has one character for such a letter, and two that mean the same: https://www.unicode.org/reports/tr15/.
    """
    return Scope(normalize("NFC", scope)).within(Scope(normalize("NFC", other)))
