"""``python -m shared.core.access.check FILE``: checks an exported configuration and runs its tests, without any call.

For a pipeline: exits with 1 if a document has a fault or a test fails, and prints each. Roles are checked for their bounds
alone: what they mint is for the broker to judge.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from shared.core.access.asked import Asked, as_given
from shared.core.access.auth_role import read_auth_role
from shared.core.access.bounds import FIELD_NAMES, Bounds, faults_of, foreign_faults, read_bounds, readable_bounds
from shared.core.access.documents import configuration_of, failing, faults_of_tests
from shared.core.access.facts import Facts
from shared.core.access.frame import AUTH_ROLES, EVENT_RULES, POLICIES, ROLES, Transfer, read_transfer
from shared.core.access.policy import PolicyName, read_policy
from shared.core.caller import Caller
from shared.core.errors import Fault, Malformed
from shared.core.events.event_rule import read_event_rule
from shared.core.names import ObjectId, RoleName, Unparsable
from shared.core.parameters.asked import presumed
from shared.core.parameters.parameter import FIELD, restore_parameters
from shared.core.parameters.source import facts_of
from shared.core.parsing import Reader

_NOWHERE = ObjectId("00000000-0000-0000-0000-000000000000")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shared.core.access.check", description=__doc__)
    parser.add_argument("file", type=Path, help="the document of GET /api/v1/export, with its tests")
    parser.add_argument("--tenant", help="the broker's own tenant, if a test names a tid or a document bound_tenant_ids")
    options = parser.parse_args(arguments)
    try:
        home = ObjectId.parse(options.tenant) if options.tenant is not None else None
        document = json.loads(options.file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as wrong:
        sys.stdout.write(f"{wrong}\n")
        return 1
    faults = [*check(document, home)]
    sys.stdout.writelines(f"{each.path}: {each.message}\n" if each.path else f"{each.message}\n" for each in faults)
    if not faults:
        sys.stdout.write(f"{len(document.get('tests') or ())} tests, 0 failures\n")
    return 1 if faults else 0


def check(document: Any, home: ObjectId | None) -> Iterator[Fault]:
    """Yields the faults of all documents and tests. If there are none, yields a fault for each test that fails.

    If ``home``, the broker's own tenant, is not known, no kind is refused beside the ids of tenants.
    """
    transfer = read_transfer(document)
    foreign = _foreign(transfer, home) if home is not None else ()
    found = [*transfer.faults, *_faults(transfer), *_dangling(transfer), *foreign, *faults_of_tests(transfer.tests)]
    if found:
        yield from found
        return
    sections = (transfer.sections.get(each, {}) for each in (AUTH_ROLES, POLICIES, ROLES))
    filled = partial(_filled, transfer.sections.get(ROLES, {}))
    yield from failing(configuration_of(*sections), transfer.tests, home or _NOWHERE, filled)


def _filled(roles: Mapping[str, Any], name: str, given: Mapping[str, str], caller: Caller, facts: Facts) -> Asked:
    role = roles.get(name)
    if not isinstance(role, Mapping):
        return as_given(given)
    return presumed(restore_parameters(role.get(FIELD)) or (), given, facts_of(caller, facts))


def _faults(transfer: Transfer) -> Iterator[Fault]:
    for section, parse, read in (
        (ROLES, RoleName.parse, _read_role),
        (AUTH_ROLES, PolicyName.parse, read_auth_role),
        (POLICIES, PolicyName.parse, read_policy),
        (EVENT_RULES, PolicyName.parse, read_event_rule),
    ):
        for name, each in transfer.sections.get(section, {}).items():
            yield from _of_one(f"{section}.{name}", name, each, parse, read)


def _dangling(transfer: Transfer) -> Iterator[Fault]:
    """Yields a fault for each policy that an auth role names, and that is not there, if all policies are there."""
    if transfer.is_partial or POLICIES not in transfer.sections or not transfer.is_readable(POLICIES):
        return
    policies = transfer.sections[POLICIES]
    for name, each in transfer.sections.get(AUTH_ROLES, {}).items():
        named = each.get("policies") if isinstance(each, Mapping) else None
        for place, policy in enumerate(named if isinstance(named, list) else ()):
            if isinstance(policy, str) and policy not in policies:
                yield Fault(f"{AUTH_ROLES}.{name}.policies[{place}]", f"there is no policy {policy}")


def _foreign(transfer: Transfer, home: ObjectId) -> Iterator[Fault]:
    """Yields a fault for each kind that no caller of the tenants has that stand beside it."""
    for section in (ROLES, AUTH_ROLES):
        for name, each in transfer.sections.get(section, {}).items():
            bounds = readable_bounds(each) if isinstance(each, Mapping) else Bounds()
            for fault in foreign_faults(bounds, home, bounds.tenant_ids):
                yield Fault(f"{section}.{name}.{fault.path}", fault.message)


def _of_one(
    path: str, name: str, document: Any, parse: Callable[[str], str], read: Callable[[str, Any], object]
) -> Iterator[Fault]:
    try:
        parse(name)
    except Unparsable as wrong:
        yield Fault(path, str(wrong))
    try:
        read(name, document)
    except Malformed as malformed:
        yield from (Fault(f"{path}.{each.path}" if each.path else path, each.message) for each in malformed.faults)


def _read_role(_: str, document: Any) -> None:
    reader = Reader(document)
    bounds = read_bounds(reader)
    reader.faults += () if reader.faults else faults_of(bounds)
    for field in document if isinstance(document, Mapping) else ():
        if field.startswith("bound_") and field not in FIELD_NAMES:
            reader.unknown(field)
    if reader.faults:
        raise Malformed(*reader.faults)


if __name__ == "__main__":
    sys.exit(main())
