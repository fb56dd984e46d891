"""Writes, reads and deletes policies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from shared.broker.access import CallerRights, outcome_of, rights_of
from shared.broker.configure.auth_roles import store_auth_role
from shared.broker.configure.events import change_event, tell
from shared.broker.configure.written import TRIES, Written, exactly, judged_again, require_expected
from shared.broker.ports import Actor, Ports
from shared.core.access.auth_role import AuthRole
from shared.core.access.configuration import Configuration
from shared.core.access.errors import Escalation, PolicyInUse
from shared.core.access.escalation import beyond_in_policy
from shared.core.access.match import Matched
from shared.core.access.policy import (
    ParametersOf,
    Policy,
    PolicyName,
    policy_cautions,
    read_policy,
    unknown_parameters,
    unknown_roles,
    write_policy,
)
from shared.core.errors import Caution, NotFound, PreconditionFailed
from shared.core.ports.documents import ANY, Expect


async def put_policy(
    ports: Ports, actor: Actor, name: PolicyName, document: Any, *, expected: Expect = ANY, dry_run: bool = False
) -> Written[Policy]:
    """Checks the policy and stores it, unless this is a dry run, or it is stored already.

    Raises ``Malformed`` with all faults, ``Escalation``, ``PreconditionFailed``, ``Upstream``.
    """
    return await judged_again(lambda: _put(ports, actor, name, document, expected, dry_run=dry_run))


async def _put(
    ports: Ports, actor: Actor, name: PolicyName, document: Any, expected: Expect, *, dry_run: bool
) -> Written[Policy]:
    former = await ports.policies.get(name)
    require_expected(expected, former.version if former is not None else None)
    policy = read_policy(name, document)
    rights = await rights_of(ports, actor.caller, fresh=True)
    if faults := tuple(beyond_in_policy(rights.rights, policy, former)):
        raise Escalation(*faults)
    parameters = {str(each.name): each.parameter_names for each in await ports.roles.list()}
    warnings = (*cautions_of(policy, parameters, parameters.__getitem__), *await _denied_to_writer(ports, rights, policy))
    if dry_run or (former is not None and not differs(policy, former)):
        return Written(policy if dry_run or former is None else former, former is None, warnings)
    return Written(
        await store_policy(ports, actor, policy, former, judged_at=rights.configuration.version), former is None, warnings
    )


def no_parameters(_: str) -> Collection[str]:
    """Returns the parameters of a role that has none."""
    return ()


def cautions_of(policy: Policy, roles: Iterable[str], parameters_of: ParametersOf = no_parameters) -> Iterator[Caution]:
    """Yields what the author should know, whoever that is. ``roles``: the names of all roles."""
    known = tuple(roles)
    yield from policy_cautions(policy)
    yield from unknown_roles(policy, known)
    yield from unknown_parameters(policy, known, parameters_of)
    for place, rule in enumerate(policy.rules):
        if rule.denies and rule.covers(f"policies/{policy.name}"):
            message = "denies whoever gets this policy, its writer included, to change it: Leasehold.Admin still may"
            yield Caution(f"rules[{place}]", "denies_itself", message)


def differs(policy: Policy, former: Policy) -> bool:
    """Returns whether something else would be stored than is stored now."""
    return bool(former.faults) or policy.rules != former.rules


async def store_policy(
    ports: Ports, actor: Actor, policy: Policy, former: Policy | None, *, judged_at: str | None = None
) -> Policy:
    """Stores a checked policy in place of ``former`` and audits what has changed.

    Raises ``PreconditionFailed`` if the store has another policy than ``former``, or if the configuration has another version
    than that at which the change was judged, ``Upstream``. Without ``judged_at`` any version will do.
    """
    before = write_policy(former) if former is not None else None
    event = change_event(ports, actor, "put_policy", f"policies/{policy.name}", before, write_policy(policy))
    stored = await ports.policies.put(policy, expected=exactly(former), event=event, judged_at=judged_at)
    ports.access_view.changed()
    await tell(ports, ports.policies, event)
    return stored


async def get_policy(ports: Ports, name: PolicyName) -> Policy:
    """Returns the policy. Raises ``NotFound``."""
    policy = await ports.policies.get(name)
    if policy is None:
        raise _not_found(name)
    return policy


async def delete_policy(
    ports: Ports, actor: Actor, name: PolicyName, *, expected: Expect = ANY, force: bool = False
) -> tuple[str, ...]:
    """Deletes the policy. Returns the auth roles from which ``force`` has taken its name.

    Raises ``NotFound``, ``PreconditionFailed``, ``Escalation`` if it denies anything and the caller is no administrator, or
    ``PolicyInUse`` if an auth role names it and ``force`` is ``False``.
    """
    changed: list[str] = []
    await judged_again(lambda: _delete(ports, actor, name, expected, changed, force=force))
    return tuple(sorted({*changed}))


async def _delete(ports: Ports, actor: Actor, name: PolicyName, expected: Expect, changed: list[str], *, force: bool) -> None:
    """Adds to ``changed`` the auth roles from which it has taken the name."""
    former, configuration = await _to_delete(ports, actor, name, expected)
    if users := _users(configuration, name):
        if not force:
            raise PolicyInUse(name, users)
        # The names go first: an auth role that names no policy of that name would be unknown to the gate.
        for each in users:
            if await _without(ports, actor, each, former):
                changed.append(each)  # noqa: PERF401 - also of an attempt that fails at a later one
        former, configuration = await _to_delete(ports, actor, name, expected)
        if _users(configuration, name):
            raise PreconditionFailed("Auth roles are being changed to name the policy.")
    await remove_policy(ports, actor, former, judged_at=configuration.version)


async def _to_delete(ports: Ports, actor: Actor, name: PolicyName, expected: Expect) -> tuple[Policy, Configuration]:
    """Returns a policy that the caller may delete, and the configuration by which that was judged."""
    former = await get_policy(ports, name)
    require_expected(expected, former.version)
    rights = await rights_of(ports, actor.caller, fresh=True)
    if faults := tuple(beyond_in_policy(rights.rights, Policy(name), former)):
        raise Escalation(*faults)
    return former, rights.configuration


def _users(configuration: Configuration, policy: str) -> list[str]:
    return [each.name for each in configuration.auth_roles() if policy in each.policies]


async def remove_policy(ports: Ports, actor: Actor, former: Policy, *, judged_at: str) -> str:
    """Deletes a policy that no auth role names, and audits it. Returns the configuration's new version, empty if not known.

    Raises ``NotFound``, ``PreconditionFailed`` as ``store_policy``, ``Upstream``.
    """
    event = change_event(ports, actor, "delete_policy", f"policies/{former.name}", write_policy(former), None)
    gone = await ports.policies.delete(former.name, expected=exactly(former), event=event, judged_at=judged_at)
    if gone is None:
        raise _not_found(former.name)
    ports.access_view.changed()
    await tell(ports, ports.policies, event)
    return gone.whole


async def _without(ports: Ports, actor: Actor, auth_role: str, policy: Policy) -> bool:
    """Takes the policy's name out of the auth role. Returns whether it was in there.

    Raises ``PreconditionFailed`` if the policy has changed: it may deny now what it did not.
    """
    for _ in range(TRIES):
        version = await ports.access.version()
        now, former = await ports.policies.get(policy.name), await ports.auth_roles.get(auth_role)
        if now is None or now.version != policy.version:
            break
        if former is None or policy.name not in former.policies:
            return False
        rest = replace(former, policies=tuple(each for each in former.policies if each != policy.name))
        try:
            await store_auth_role(ports, actor, rest, former, judged_at=version)
        except PreconditionFailed:
            continue
        return True
    raise PreconditionFailed(f"The auth role {auth_role} or the policy is being changed.")


def _not_found(name: str) -> NotFound:
    return NotFound(f"There is no policy {name}.", code="policy_not_found")


async def _denied_to_writer(ports: Ports, rights: CallerRights, policy: Policy) -> list[Caution]:
    """Returns a warning for each deny, if an auth role that names the policy matches its writer."""
    denies = [place for place, rule in enumerate(policy.rules) if rule.denies]
    if not denies:
        return []
    users = [each for each in rights.configuration.auth_roles() if policy.name in each.policies]
    if not any([await _matches(ports, rights, each) for each in users]):
        return []
    message = "is denied to you as well, by an auth role that matches you: Leasehold.Admin still may"
    return [Caution(f"rules[{place}]", "denies_writer", message) for place in denies]


async def _matches(ports: Ports, rights: CallerRights, auth_role: AuthRole) -> bool:
    if auth_role.faults:
        return False
    return isinstance(await outcome_of(ports, rights.caller, auth_role.bounds), Matched)
