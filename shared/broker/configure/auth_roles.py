"""Writes, reads and deletes auth roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.broker.access import outcome_of, rights_of
from shared.broker.configure.events import change_event, tell
from shared.broker.configure.look_up import cautions_of, look_up
from shared.broker.configure.written import Written, exactly, judged_again, require_expected
from shared.broker.ports import Actor, Ports
from shared.core.access.auth_role import AuthRole, auth_role_cautions, restore_auth_role, write_auth_role
from shared.core.access.bounds import Bounds, foreign_faults
from shared.core.access.errors import Escalation
from shared.core.access.escalation import beyond_in_auth_role
from shared.core.access.match import Matched
from shared.core.access.policy import PolicyName
from shared.core.errors import Caution, Fault, Malformed, NotFound
from shared.core.ports.documents import ANY, Expect


async def put_auth_role(
    ports: Ports, actor: Actor, name: PolicyName, document: Any, *, expected: Expect = ANY, dry_run: bool = False
) -> Written[AuthRole]:
    """Checks the auth role and stores it, unless this is a dry run, or it is stored already. Only a dry run asks Azure.

    Raises ``Malformed`` with all faults, ``Escalation``, ``PreconditionFailed``, ``Upstream``.
    """
    return await judged_again(lambda: _put(ports, actor, name, document, expected, dry_run=dry_run))


async def _put(
    ports: Ports, actor: Actor, name: PolicyName, document: Any, expected: Expect, *, dry_run: bool
) -> Written[AuthRole]:
    former = await ports.auth_roles.get(name)
    require_expected(expected, former.version if former is not None else None)
    rights = await rights_of(ports, actor.caller, fresh=True)
    auth_role = read(ports, name, document, is_there=lambda policy: rights.configuration.policy(policy) is not None)
    named = {*auth_role.policies, *(former.policies if former is not None else ())}
    policies = {each: rights.configuration.policy(each) for each in named}
    if faults := tuple(beyond_in_auth_role(rights.rights, auth_role, policies, former)):
        raise Escalation(*faults)
    warnings = [*auth_role_cautions(auth_role), *await _own_match(ports, actor, auth_role, former)]
    if dry_run:
        azure = await look_up(ports, auth_role.bounds)
        return Written(auth_role, former is None, (*warnings, *cautions_of(azure)), azure)
    if former is not None and not differs(auth_role, former):
        return Written(former, is_new=False, warnings=tuple(warnings))
    stored = await store_auth_role(ports, actor, auth_role, former, judged_at=rights.configuration.version)
    return Written(stored, former is None, tuple(warnings))


def read(ports: Ports, name: str, document: Any, *, is_there: Callable[[str], bool]) -> AuthRole:
    """Reads an auth role that a caller has written. ``is_there`` says whether there is a policy of that name.

    Raises ``Malformed`` with the faults of its values, of its tenants, and of the policies that it names.
    """
    auth_role = restore_auth_role(name, document, "")
    missing = [*_missing(document, is_there, {fault.path for fault in auth_role.faults})]
    faults = (*auth_role.faults, *foreign_faults(auth_role.bounds, ports.home, ports.tenants))
    if faults or missing:
        raise Malformed(*faults, *missing, code=None if faults else "unresolvable")
    return auth_role


def differs(auth_role: AuthRole, former: AuthRole) -> bool:
    """Returns whether something else would be stored than is stored now."""
    return bool(former.faults) or (auth_role.bounds, auth_role.policies) != (former.bounds, former.policies)


async def store_auth_role(
    ports: Ports, actor: Actor, auth_role: AuthRole, former: AuthRole | None, *, judged_at: str
) -> AuthRole:
    """Stores a checked auth role in place of ``former`` and audits what has changed.

    Raises ``PreconditionFailed`` if the store has another auth role than ``former``, or if the configuration has another
    version than that at which the change was judged, ``Upstream``.
    """
    before = write_auth_role(former) if former is not None else None
    path, after = f"auth-roles/{auth_role.name}", write_auth_role(auth_role)
    event = change_event(ports, actor, "put_auth_role", path, before, after)
    stored = await ports.auth_roles.put(auth_role, expected=exactly(former), event=event, judged_at=judged_at)
    ports.access_view.changed()
    await tell(ports, ports.auth_roles, event)
    return stored


async def get_auth_role(ports: Ports, name: PolicyName) -> AuthRole:
    """Returns the auth role. Raises ``NotFound``."""
    auth_role = await ports.auth_roles.get(name)
    if auth_role is None:
        raise _not_found(name)
    return auth_role


async def delete_auth_role(ports: Ports, actor: Actor, name: PolicyName, *, expected: Expect = ANY) -> None:
    """Deletes the auth role, whatever it is used for. Raises ``NotFound``, ``PreconditionFailed``, ``Upstream``."""
    former = await ports.auth_roles.get(name)
    before = write_auth_role(former) if former is not None else None
    event = change_event(ports, actor, "delete_auth_role", f"auth-roles/{name}", before, None)
    gone = await ports.auth_roles.delete(name, expected=expected, event=event)
    if gone is None:
        raise _not_found(name)
    ports.access_view.changed()
    await tell(ports, ports.auth_roles, event)


def _not_found(name: PolicyName) -> NotFound:
    return NotFound(f"There is no auth role {name}.", code="auth_role_not_found")


def _missing(document: Any, is_there: Callable[[str], bool], broken: set[str]) -> Iterator[Fault]:
    """Yields a fault for each policy that the document names and that is not there. ``broken`` paths have faults already."""
    listed = document.get("policies") if isinstance(document, Mapping) else None
    for place, each in enumerate(listed if isinstance(listed, list) else ()):
        path = f"policies[{place}]"
        if isinstance(each, str) and path not in broken and "policies" not in broken and not is_there(each):
            yield Fault(path, f"there is no policy {each}")


async def _own_match(ports: Ports, actor: Actor, auth_role: AuthRole, former: AuthRole | None) -> list[Caution]:
    """Returns a warning if the auth role matches its own writer, and did not before."""
    before = former.bounds if former is not None else Bounds()
    if before == auth_role.bounds or not await _matches(ports, actor, auth_role.bounds):
        return []
    if before.name_somebody and await _matches(ports, actor, before):
        return []
    return [Caution("", "matches_writer", "now matches you: what its policies give, they give to you as well")]


async def _matches(ports: Ports, actor: Actor, bounds: Bounds) -> bool:
    return isinstance(await outcome_of(ports, actor.caller, bounds), Matched)
