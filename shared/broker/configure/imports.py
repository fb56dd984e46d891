"""Imports a configuration: all of it is checked before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from shared.broker.configure import auth_roles, event_rules, policies, roles
from shared.broker.configure.import_sections import Imported, Section, Step, Stored
from shared.broker.configure.imported_roles import below, require_together
from shared.broker.configure.sharing import Sharing
from shared.broker.configure.transfer import MOST_OF_ONE
from shared.broker.configure.written import judged_again
from shared.broker.ports import Actor, Ports
from shared.core.access.asked import Asked
from shared.core.access.auth_role import AuthRole, auth_role_cautions, write_auth_role
from shared.core.access.configuration import Configuration
from shared.core.access.documents import configuration_of, failing, faults_of_tests
from shared.core.access.errors import ImportStopped, PolicyInUse, PolicyTestsFailed
from shared.core.access.facts import Facts
from shared.core.access.frame import AUTH_ROLES, EVENT_RULES, POLICIES, ROLES, Transfer, read_transfer
from shared.core.access.policy import Policy, PolicyName, read_policy, write_policy
from shared.core.caller import Caller
from shared.core.errors import Caution, Conflict, Fault, LeaseholdError, Malformed, PreconditionFailed, Upstream
from shared.core.events.errors import RoleInUse, RuleInUse
from shared.core.events.event_rule import EventRule, read_event_rule
from shared.core.events.lender import Lender
from shared.core.names import RoleName, Unparsable
from shared.core.parameters.asked import presumed
from shared.core.parameters.parameter import Parameter
from shared.core.parameters.source import facts_of
from shared.core.ports.documents import Version
from shared.core.role import Role
from shared.kinds.role_document import write_role
from shared.resilience.priority import limit_deadline
from shared.resilience.tasks import all_of, both

_ROLES_AT_ONCE = 5
"""Azure is asked about so many roles side by side."""

_STAND_IN = "x"
"""The name under which a document is read whose own name is none: so all of its faults are found."""


async def import_configuration(
    ports: Ports, actor: Actor, document: Any, *, dry_run: bool = False, prune: bool = False, revoke: bool = False
) -> Imported:
    """Makes the stored documents those of a configuration. Returns the difference, which a dry run does not write.

    A document that it does not name stays. If ``prune``, such a document is deleted, if its section is there; if ``revoke``,
    even a role with live leases. Raises ``Malformed`` with all faults of all documents, ``PolicyTestsFailed``, ``PolicyInUse``,
    ``Conflict``, ``ImportStopped`` if a write has failed after others, ``Upstream``.
    """
    transfer = read_transfer(document)
    with limit_deadline(ports.within(ports.timing.mint)):
        # The version first: whoever stores a role that is not read here changes the version.
        version = await ports.roles.shared_version()
        plan = _Plan(ports, actor, transfer, await _stored(ports), version, prune=prune, revoke=revoke)
        result = await plan.made()
        if not dry_run and result.steps:
            await _carry_out(result.steps)
            counts = ", ".join(f"{len(result.of(each))} {each}" for each in ("created", "changed", "deleted"))
            await ports.audit.record(actor.done(ports, "import", reason=f"{counts}, {result.unchanged} unchanged"))
    return result


async def _stored(ports: Ports) -> Stored:
    (found_policies, found_roles), (found_rules, found_auth_roles) = await both(
        both(ports.policies.list(), ports.roles.list()), both(ports.event_rules.list(), ports.auth_roles.list())
    )
    return Stored(
        {each.name: each for each in found_policies},
        {each.name: each for each in found_roles},
        {each.name: each for each in found_rules},
        {each.name: each for each in found_auth_roles},
    )


async def _carry_out(steps: Sequence[Step]) -> None:
    for place, step in enumerate(steps):
        try:
            await step.write()
        except LeaseholdError as failure:
            if not place:
                raise
            cause = failure.brief() if isinstance(failure, Upstream) else failure.stable_code
            paths = [each.path for each in steps]
            raise ImportStopped(cause, applied=paths[:place], left=paths[place:]) from failure


@dataclass(frozen=True, slots=True)
class _Naming:
    """The auth roles that name a policy, by the policy's name, at a version of the configuration."""

    version: str
    users: Mapping[str, Sequence[str]]


def _naming(configuration: Configuration) -> _Naming:
    return _Naming(configuration.version, _users(configuration.auth_roles()))


def _users(auth_roles: Iterable[AuthRole]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in auth_roles:
        for policy in each.policies:
            found.setdefault(policy, []).append(each.name)
    return found


class _Plan:
    """Finds the steps of one import."""

    def __init__(
        self, ports: Ports, actor: Actor, transfer: Transfer, stored: Stored, version: str, *, prune: bool, revoke: bool
    ) -> None:
        """``version``: that of what roles share, when the roles were read."""
        self._ports, self._actor, self._transfer, self._stored = ports, actor, transfer, stored
        self._version = version
        self._prune, self._revoke = prune, revoke
        self._naming: _Naming | None = None
        """Which auth roles name which policies at the version that this import has made with its last deletion of a policy."""
        self._faults = [*transfer.faults]
        if prune and transfer.is_partial:
            self._faults.append(Fault("prune", "a page of several does not say which documents there are"))

    async def made(self) -> Imported:
        """Returns the plan. Raises as ``import_configuration``, and writes nothing."""
        wanted = self._read()
        self._faults += faults_of_tests(self._transfer.tests)
        if self._faults:
            raise Malformed(*self._faults)
        wanted = replace(wanted, roles=await self._checked(wanted.roles))
        if self._faults:
            raise Malformed(*self._faults)
        await self._check_rules(wanted)
        proposed = Stored(
            self._after(POLICIES, self._stored.policies, wanted.policies),
            self._after(ROLES, self._stored.roles, wanted.roles),
            self._after(EVENT_RULES, self._stored.event_rules, wanted.event_rules),
            self._after(AUTH_ROLES, self._stored.auth_roles, wanted.auth_roles),
        )
        require_together(self._ports, self._stored.roles, wanted.roles, proposed.roles)
        self._run_tests(proposed)
        await self._refuse_deletions(proposed)
        steps = self._steps(wanted, proposed)
        written = {step.path for step in steps if step.change != "deleted"}
        brought = sum(map(len, (wanted.policies, wanted.roles, wanted.event_rules, wanted.auth_roles)))
        warnings = (*self._warnings(wanted, proposed, written), *self._warnings_of_rules(wanted, written))
        return Imported(steps, brought - len(written), warnings)

    def _read(self) -> Stored:
        """Reads all documents. Notes each fault, with its path in the configuration."""
        found = Stored(
            self._section(POLICIES, PolicyName.parse, read_policy),
            self._section(ROLES, RoleName.parse, partial(roles.read, self._ports)),
            self._section(EVENT_RULES, PolicyName.parse, partial(read_event_rule, lender=Lender.of(self._actor.caller))),
            {},
        )
        # A policy with faults is there: its faults are noted, and no auth role has one for naming it.
        named = {*self._transfer.sections.get(POLICIES, {})}
        if not self._prunes(POLICIES):
            named |= {*self._stored.policies}
        is_there = named.__contains__ if self._transfer.is_readable(POLICIES) else lambda _: True
        read = partial(auth_roles.read, self._ports, is_there=is_there)
        return replace(found, auth_roles=self._section(AUTH_ROLES, PolicyName.parse, read))

    def _section[N: str, T](self, section: str, parse: Callable[[str], N], read: Callable[[N, Any], T]) -> dict[str, T]:
        found: dict[str, T] = {}
        for name, document in self._transfer.sections.get(section, {}).items():
            path = f"{section}.{name}"
            try:
                parsed = parse(name)
            except Unparsable as wrong:
                self._faults.append(Fault(path, str(wrong)))
                parsed = parse(_STAND_IN)
            if len(json.dumps(document, ensure_ascii=False).encode()) > MOST_OF_ONE:
                self._faults.append(Fault(path, f"is larger than {MOST_OF_ONE} octets"))
            try:
                found[name] = read(parsed, document)
            except Malformed as malformed:
                self._faults += below(path, malformed.faults)
        return found

    async def _checked(self, wanted: Mapping[str, Role]) -> dict[str, Role]:
        """Looks up the roles in Azure that are new or have changed. The others stay as they are stored."""
        unchanged = {name: former for name, role in wanted.items() if (former := self._same(role)) is not None}
        asked = [role for name, role in wanted.items() if name not in unchanged]
        found: list[Role] = []
        for first in range(0, len(asked), _ROLES_AT_ONCE):
            found += await all_of(*map(self._resolved, asked[first : first + _ROLES_AT_ONCE]))
        return {**unchanged, **{role.name: role for role in found}}

    async def _check_rules(self, wanted: Stored) -> None:
        """Raises ``Malformed`` with what is wrong with rules beside the roles and the rules that there are after the import.

        Of those that are new or have changed, Azure is asked whether the broker may look at their subjects.
        """
        proposed_roles = self._after(ROLES, self._stored.roles, wanted.roles)
        rules = self._after(EVENT_RULES, self._stored.event_rules, wanted.event_rules)
        for rule in _by_name(wanted.event_rules):
            path, action, revokes = f"{EVENT_RULES}.{rule.name}", rule.issues, rule.revokes
            role = proposed_roles.get(action.role) if action is not None else None
            named = rules.get(revokes.rule) if revokes is not None else None
            issues = revokes is None or not revokes.rule or (named is not None and named.issues is not None)
            self._faults += below(path, [*event_rules.faults_beside(self._ports, rule, role, named_issues=issues)])
            former = self._stored.event_rules.get(rule.name)
            if former is None or event_rules.differs(rule, former):
                try:
                    await event_rules.require_readable(self._ports, rule)
                except Malformed as malformed:
                    self._faults += below(path, malformed.faults)
        if self._faults:
            raise Malformed(*self._faults)

    def _same(self, role: Role) -> Role | None:
        former = self._stored.roles.get(role.name)
        if former is None or former.outdated:
            return None
        return former if write_role(self._ports.kinds, former) == write_role(self._ports.kinds, role) else None

    async def _resolved(self, role: Role) -> Role:
        try:
            return await roles.checked(self._ports, role)
        except Malformed as malformed:
            self._faults += below(f"{ROLES}.{role.name}", malformed.faults or (Fault("", malformed.detail),))
            return role

    def _after[T](self, section: str, stored: Mapping[str, T], wanted: Mapping[str, T]) -> dict[str, T]:
        """Returns the documents that there are after the import."""
        return dict(wanted) if self._prunes(section) else {**stored, **wanted}

    def _prunes(self, section: str) -> bool:
        return self._prune and section in self._transfer.sections

    def _run_tests(self, proposed: Stored) -> None:
        configuration = configuration_of(
            {name: write_auth_role(each) for name, each in proposed.auth_roles.items()},
            {name: write_policy(each) for name, each in proposed.policies.items()},
            {name: write_role(self._ports.kinds, each) for name, each in proposed.roles.items()},
        )
        parameters_of = partial(_parameters_of, proposed.roles)

        def filled(name: str, given: Mapping[str, str], caller: Caller, facts: Facts) -> Asked:
            return presumed(parameters_of(name), given, facts_of(caller, facts))

        if failed := tuple(failing(configuration, self._transfer.tests, self._ports.home, filled)):
            raise PolicyTestsFailed(*failed)

    async def _refuse_deletions(self, proposed: Stored) -> None:
        """Raises ``PolicyInUse``, ``RoleInUse``, ``RuleInUse`` or ``Conflict`` if something that goes is needed.

        A rule that issues no more is needed as one is that goes: rules that the import does not bring may name it.
        """
        users = _users(proposed.auth_roles.values())
        for name in sorted({*self._stored.policies} - {*proposed.policies}):
            if name in users:
                raise PolicyInUse(name, sorted(users[name]))
        rules = tuple(proposed.event_rules.values())
        for name in sorted({*self._stored.roles} - {*proposed.roles}):
            if using := event_rules.users_of_role(rules, name):
                raise RoleInUse(name, using)
        for name, former in sorted(self._stored.event_rules.items()):
            rule = proposed.event_rules.get(name)
            needed = rule is None or event_rules.stops_issuing(rule, former)
            if needed and (using := event_rules.users_of_rule(rules, name)):
                raise RuleInUse(name, using)
        gone = () if self._revoke else sorted({*self._stored.roles} - {*proposed.roles})
        held = [name for name in gone if await roles.has_leases(self._ports, RoleName(name))]
        if held:
            detail = f"Roles have live leases: {', '.join(held)}. Revoke them with ?revoke=true."
            raise Conflict(detail, code="role_has_leases")

    def _steps(self, wanted: Stored, proposed: Stored) -> tuple[Step, ...]:
        """Returns the writes in the order of the sections, and then the deletions in reverse.

        So nothing that is there names what has gone, or is not there yet.
        """
        ports, actor, stored = self._ports, self._actor, self._stored
        sharing = Sharing(ports, lambda _, __, now: self._judge_together(wanted.roles, now), self._version)
        of_policies = Section[Policy](
            *(POLICIES, stored.policies, wanted.policies, proposed.policies, write_policy, policies.differs),
            lambda policy, former: policies.store_policy(ports, actor, policy, former),
            lambda policy: judged_again(lambda: self._remove(policy)),
        )
        of_roles = Section[Role](
            *(ROLES, stored.roles, wanted.roles, proposed.roles, partial(roles.kept_of, ports), _is_another),
            lambda role, former: roles.store_role(ports, actor, role, former, sharing),
            self._remove_role,
        )
        of_rules = Section[EventRule](
            *(EVENT_RULES, stored.event_rules, wanted.event_rules, proposed.event_rules),
            *(event_rules.kept_of, event_rules.differs),
            lambda rule, former: event_rules.store_event_rule(ports, actor, rule, former),
            lambda rule: event_rules.remove_event_rule(ports, actor, rule),
        )
        of_auth_roles = Section[AuthRole](
            *(AUTH_ROLES, stored.auth_roles, wanted.auth_roles, proposed.auth_roles, write_auth_role, auth_roles.differs),
            lambda auth_role, former: judged_again(lambda: self._store(auth_role, former)),
            lambda auth_role: auth_roles.delete_auth_role(
                ports, actor, PolicyName(auth_role.name), expected=Version(auth_role.version)
            ),
        )
        return (
            *(*of_policies.writes(), *of_roles.writes(), *of_rules.writes(), *of_auth_roles.writes()),
            *(*of_auth_roles.deletions(), *of_rules.deletions(), *of_roles.deletions(), *of_policies.deletions()),
        )

    def _judge_together(self, wanted: Mapping[str, Role], stored: Sequence[Role]) -> None:
        """Judges the import's roles beside those that somebody else has stored since the plan was made."""
        now: dict[str, Role] = {each.name: each for each in stored}
        require_together(self._ports, now, wanted, self._after(ROLES, now, wanted))

    async def _store(self, auth_role: AuthRole, former: AuthRole | None) -> AuthRole:
        """Stores an auth role. Raises ``PreconditionFailed`` if one of its policies has gone since the plan was made."""
        # The version first: whoever deletes a policy after it was seen changes the version.
        version = await self._ports.access.version()
        found = await all_of(*map(self._ports.policies.get, auth_role.policies))
        if missing := [name for name, policy in zip(auth_role.policies, found, strict=True) if policy is None]:
            raise PreconditionFailed(f"There is no policy {missing[0]} any more.")
        return await auth_roles.store_auth_role(self._ports, self._actor, auth_role, former, judged_at=version)

    async def _remove_role(self, role: Role) -> None:
        """Deletes a role. Raises ``NotFound`` if somebody else has deleted it, and its leases have been revoked here."""
        expected = Version(role.version)
        gone, _ = await roles.remove_role(self._ports, self._actor, role.name, expected=expected, revoking=self._revoke)
        if not gone:
            raise roles.not_found(role.name)

    async def _remove(self, policy: Policy) -> None:
        """Deletes a policy that no auth role names. Raises ``PolicyInUse`` if one does since the plan was made.

        As long as nobody else writes, who names what is read once: a deletion of a policy leaves it as it is.
        """
        naming, self._naming = self._naming or _naming(await self._ports.access_view.current(fresh=True)), None
        if users := naming.users.get(policy.name):
            raise PolicyInUse(policy.name, users)
        version = await policies.remove_policy(self._ports, self._actor, policy, judged_at=naming.version)
        self._naming = replace(naming, version=version) if version else None

    def _warnings(self, wanted: Stored, proposed: Stored, written: set[str]) -> Iterator[Caution]:
        """Yields the warnings of the documents that are written."""
        for policy in _by_name(wanted.policies):
            if (path := f"{POLICIES}.{policy.name}") in written:
                names_of = partial(_names_of, proposed.roles)
                yield from _at(path, policies.cautions_of(policy, proposed.roles, names_of))
        for role in _by_name(wanted.roles):
            if (path := f"{ROLES}.{role.name}") in written:
                yield from _at(path, roles.role_cautions(self._ports, role))
        for auth_role in _by_name(wanted.auth_roles):
            if (path := f"{AUTH_ROLES}.{auth_role.name}") in written:
                yield from _at(path, auth_role_cautions(auth_role))

    def _warnings_of_rules(self, wanted: Stored, written: set[str]) -> Iterator[Caution]:
        for rule in _by_name(wanted.event_rules):
            if (path := f"{EVENT_RULES}.{rule.name}") in written:
                yield from _at(path, event_rules.rule_cautions(rule))


def _parameters_of(stored: Mapping[str, Role], name: str) -> tuple[Parameter, ...]:
    return stored[name].parameters if name in stored else ()


def _names_of(stored: Mapping[str, Role], name: str) -> frozenset[str]:
    return frozenset(each.name for each in _parameters_of(stored, name))


def _is_another(role: Role, former: Role) -> bool:
    """Whether the role was looked up again: one that is stored already, as it is, is taken from there."""
    return role is not former


def _by_name[T](documents: Mapping[str, T]) -> Iterator[T]:
    return (documents[name] for name in sorted(documents))


def _at(path: str, cautions: Iterator[Caution]) -> Iterator[Caution]:
    return (Caution(f"{path}.{each.path}" if each.path else path, each.code, each.message) for each in cautions)
