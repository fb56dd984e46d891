"""The access configuration as one worker sees it: auth roles, policies, and the inline bounds of roles.

Documents come as they are stored. They are read one by one when somebody needs them: of thousands, a caller's request needs a
few.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.core.access.auth_role import AuthRole, restore_auth_role
from shared.core.access.bounds import Bounds, write_bounds
from shared.core.access.decide import Rights
from shared.core.access.facts import NOT_ASKED, NOTHING_ASKED, Facts, Principal
from shared.core.access.index import Index
from shared.core.access.match import Matched, NotMatched, Outcome, Unknown, match, may_be_a_resource
from shared.core.access.policy import Policy, Rule, restore_policy
from shared.core.caller import Caller


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored document: its JSON text and its version."""

    text: str
    version: str = ""

    def document(self) -> Any:
        """Returns what the text says; ``None`` if it is damaged."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be read of a caller before anything is decided."""

    principal: bool = False
    groups: bool = False


class Configuration:
    """See the module. ``version`` is the store's: of two configurations with the same version, all documents are the same."""

    def __init__(
        self,
        auth_roles: Mapping[str, Stored],
        policies: Mapping[str, Stored],
        inline: Mapping[str, Bounds] | None = None,
        version: str = "",
    ) -> None:
        self.version = version
        self._auth_roles = auth_roles
        self._policies = policies
        self._index, self._inline = Index(), Index()
        for name, stored in auth_roles.items():
            self._index.add(name, stored.document())
        self._bounds = inline or {}
        for name, bounds in self._bounds.items():
            if bounds.name_somebody:
                self._inline.add(name, write_bounds(bounds))
        self._read_auth_roles: dict[str, AuthRole] = {}
        self._read_policies: dict[str, Policy] = {}

    def auth_role(self, name: str) -> AuthRole | None:
        """Returns an auth role."""
        stored = self._auth_roles.get(name)
        if stored is not None and name not in self._read_auth_roles:
            self._read_auth_roles[name] = restore_auth_role(name, stored.document(), stored.version)
        return self._read_auth_roles.get(name)

    def policy(self, name: str) -> Policy | None:
        """Returns a policy."""
        stored = self._policies.get(name)
        if stored is not None and name not in self._read_policies:
            self._read_policies[name] = restore_policy(name, stored.document(), stored.version)
        return self._read_policies.get(name)

    def rules_of(self, auth_role: AuthRole) -> Iterator[Rule]:
        """Yields the rules that the auth role gives whom it matches."""
        for name in auth_role.policies:
            policy = self.policy(name)
            yield from policy.rules if policy is not None else ()

    def inline_bounds(self, role: str) -> Bounds | None:
        """Returns the inline bounds of a role, as this worker has last read them."""
        return self._bounds.get(role)

    def auth_roles(self, at_most: int | None = None) -> tuple[AuthRole, ...]:
        """Returns the auth roles, by name."""
        names = sorted(self._auth_roles)[:at_most]
        return tuple(found for name in names if (found := self.auth_role(name)) is not None)

    def policies(self) -> tuple[Policy, ...]:
        """Returns every policy, by name."""
        return tuple(found for name in sorted(self._policies) if (found := self.policy(name)) is not None)

    def needs(self, caller: Caller) -> Needs:
        """Returns what the directory must say before anything is decided about the caller.

        It goes by the token alone, and not by what the caller asks for: otherwise the time of an answer would tell whether a
        role exists.
        """
        principal = self._index.asks_for_principal(caller) or self._inline.asks_for_principal(caller)
        groups = self._index.asks_for_groups(caller) or self._inline.asks_for_groups(caller)
        for bounds in self._bounds_of(self._index.by_token(caller), self._inline.by_token(caller)):
            if not (principal and groups) and isinstance(match(bounds, caller, NOTHING_ASKED), Unknown):
                principal = principal or (bounds.about_a_resource and may_be_a_resource(caller))
                groups = groups or (bool(bounds.group_ids) and caller.has_more_groups)
        return Needs(principal, groups and caller.at_home)

    def needs_location(self, caller: Caller, facts: Facts) -> bool:
        """Returns whether some document goes by the location of the caller's resource, all else of it being as it wants."""
        if not isinstance(facts.principal, Principal):
            return False
        elsewhere = replace(facts, location=NOT_ASKED)
        found = self._bounds_of(self._index.candidates(caller, elsewhere), self._inline.candidates(caller, elsewhere))
        return any(bounds.locations and isinstance(match(bounds, caller, elsewhere), Unknown) for bounds in found)

    def rights(self, caller: Caller, facts: Facts) -> Rights:
        """Returns what the auth roles that match the caller give it."""
        matched: list[AuthRole] = []
        doubtful: list[tuple[AuthRole, Unknown]] = []
        for name in self._index.candidates(caller, facts):
            if (auth_role := self.auth_role(name)) is None:
                continue
            outcome = self.outcome(auth_role, caller, facts)
            if isinstance(outcome, Matched):
                matched.append(auth_role)
            elif isinstance(outcome, Unknown):
                doubtful.append((auth_role, outcome))
        matched.sort(key=lambda each: each.name)
        doubtful.sort(key=lambda each: each[0].name)
        named = {name for each in (*matched, *(each for each, _ in doubtful)) for name in each.policies}
        return Rights(caller, tuple(matched), tuple(doubtful), {name: self.policy(name) for name in sorted(named)})

    @staticmethod
    def outcome(auth_role: AuthRole, caller: Caller, facts: Facts) -> Outcome:
        """Returns whether the auth role matches. One that breaks a rule never does: it is unknown for all whom it may mean."""
        found = match(auth_role.bounds, caller, facts)
        if not auth_role.faults or (isinstance(found, NotMatched) and auth_role.bounds.name_somebody):
            return found
        fault = auth_role.faults[0]
        return Unknown(f"it must be written again: {fault.path}: {fault.message}")

    def _bounds_of(self, auth_roles: Iterable[str], roles: Iterable[str]) -> Iterator[Bounds]:
        for name in auth_roles:
            if (auth_role := self.auth_role(name)) is not None:
                yield auth_role.bounds
        for name in roles:
            yield self._bounds[name]
