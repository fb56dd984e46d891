"""The same decisions over JSON alone: for tests of policies, and for a look at a configuration that is not stored yet.

A caller is written as ``{"claims": {...}, "directory": {...}}``. The claims are those of an access token; ``tid`` may be left
out for the broker's own tenant. The directory has ``servicePrincipalType``, ``alternativeNames``, ``location`` and ``groups``.
``null`` says that there is no such thing. Groups and a location that are left out could not be read. Neither could the service
principal if both its fields are left out; if one of them is, the service principal has none. Without ``directory`` Graph does
not know the caller at all. If ``directory`` is ``null``, Graph could not be asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.core.access.asked import NO_PARAMETERS, Asked, as_given, read_given
from shared.core.access.auth_role import read_auth_role
from shared.core.access.bounds import Bounds, foreign_faults, restore_bounds
from shared.core.access.claims import caller_of, text_claim
from shared.core.access.configuration import Configuration, Stored
from shared.core.access.decide import AppRole, Decision, Inline, PolicyLine, decide
from shared.core.access.facts import Facts, Principal, Unread
from shared.core.access.folding import fold
from shared.core.access.match import Outcome, match
from shared.core.access.policy import CAPABILITIES, ISSUE, PARAMETERS, capabilities_on
from shared.core.caller import Caller
from shared.core.errors import Fault, Malformed, Unauthenticated
from shared.core.names import ObjectId, RoleName, Scope, Unparsable
from shared.core.parsing import Reader, nearest

MAX_TESTS = 1000
WITHIN = "within"
ONLY_ISSUE = "stands beside an ask to issue alone"
_EXPECTED = ("allowed", "denied", "unknown")
_LEFT_OUT = object()


def outcome_of(auth_role: Any, claims: Mapping[str, Any], directory: Any = _LEFT_OUT, *, home: ObjectId) -> Outcome:
    """Returns whether the auth role speaks of the caller. ``home`` is the broker's tenant.

    Raises ``Malformed`` if the auth role has a fault, and ``Unauthenticated`` if no broker would accept a token of such claims.
    """
    bounds = read_auth_role("", auth_role).bounds
    if faults := tuple(foreign_faults(bounds, home, bounds.tenant_ids)):
        raise Malformed(*faults)
    return match(bounds, caller_from(claims, home), facts_from(directory))


def caller_from(claims: Mapping[str, Any], home: ObjectId) -> Caller:
    """Returns the caller that the claims describe. Raises ``Unauthenticated``."""
    try:
        tenant = ObjectId.parse(text_claim(claims, "tid") or "") if "tid" in claims else home
    except Unparsable as wrong:
        raise Unauthenticated("the tid claim is no GUID") from wrong
    return caller_of(claims, tenant, home=home)


def facts_from(directory: Any = _LEFT_OUT) -> Facts:
    """Returns the facts that a ``directory`` describes: see the module."""
    if directory is _LEFT_OUT:
        return Facts()
    if not isinstance(directory, Mapping):
        unread = Unread("the directory could not be asked")
        return Facts(unread, unread, unread)
    return Facts(_principal(directory), _groups(directory), _location(directory))


def _principal(directory: Mapping[str, Any]) -> Principal | Unread | None:
    kind = directory.get("servicePrincipalType", _LEFT_OUT)
    if kind is _LEFT_OUT and "alternativeNames" not in directory:
        return Unread("the service principal could not be read")
    names = directory.get("alternativeNames", ())
    listed = tuple(each for each in names if isinstance(each, str)) if isinstance(names, list) else ()
    return None if kind is None else Principal(kind if isinstance(kind, str) else "", listed)


def _groups(directory: Mapping[str, Any]) -> frozenset[str] | Unread | None:
    groups = directory.get("groups", _LEFT_OUT)
    if groups is _LEFT_OUT:
        return Unread("the groups could not be read")
    return frozenset(fold(each) for each in groups if isinstance(each, str)) if isinstance(groups, list) else None


def _location(directory: Mapping[str, Any]) -> str | Unread | None:
    location = directory.get("location", _LEFT_OUT)
    if location is _LEFT_OUT:
        return Unread("the location could not be read")
    return location if isinstance(location, str) else None


def configuration_of(auth_roles: Mapping[str, Any], policies: Mapping[str, Any], roles: Mapping[str, Any]) -> Configuration:
    """Returns the configuration that the documents make, by name. Of roles their bounds alone count."""
    inline = {name: restore_bounds(each) or Bounds() for name, each in roles.items() if isinstance(each, Mapping)}
    return Configuration(_stored(auth_roles), _stored(policies), inline)


def _stored(documents: Mapping[str, Any]) -> dict[str, Stored]:
    return {name: Stored(json.dumps(each)) for name, each in documents.items()}


type Filled = Callable[[str, Mapping[str, str], Caller, Facts], Asked]
"""Returns all values of an ask for the role of that name: those that are given, and those that the role has besides.

These are defaults, and what is known of the caller.
"""


def failing(
    configuration: Configuration, tests: Any, home: ObjectId, filled: Filled = lambda _, given, *_who: as_given(given)
) -> Iterator[Fault]:
    """Runs tests of policies. Yields a fault for each that fails, with the line that decided.

    A test is ``{"caller": {...}, "ask": "issue roles/app/leases", "expect": "allowed", "by": "policy P"}``. ``ask`` may be
    ``issue NAME`` for short. Beside an ask to issue, ``parameters`` may have its values, and ``within`` a scope: that changes
    no decision. Raises ``Malformed`` if a test cannot be read.
    """
    faults: list[Fault] = []
    read = _tests(tests, faults)
    if faults:
        raise Malformed(*faults)
    for place, (claims, directory, path, capability, given, expected, by) in enumerate(read):
        try:
            caller = caller_from(claims, home)
        except Unauthenticated as refused:
            yield Fault(f"tests[{place}]", f"no token of such claims is accepted: {refused.detail}")
            continue
        facts = facts_from(directory)
        asked = filled(path.split("/")[1], given, caller, facts) if capability == ISSUE else NO_PARAMETERS
        decision = decided(configuration, caller, facts, path, capability, asked)
        ground = in_words(decision)
        if decision.outcome != expected or (by is not None and by != ground.partition(",")[0]):
            wanted = expected if by is None else f"{expected} by {by}"
            yield Fault(f"tests[{place}]", f"expected {wanted}, and it is {decision.outcome}: {ground or decision.why}")


def faults_of_tests(tests: Any) -> tuple[Fault, ...]:
    """Returns the faults of the tests themselves: whether they fail is another question."""
    faults: list[Fault] = []
    _tests(tests, faults)
    return tuple(faults)


def _tests(tests: Any, faults: list[Fault]) -> tuple[_Test, ...]:
    if tests is None or tests == []:
        return ()
    return Reader({"tests": tests}, faults=faults).items("tests", _test, most=MAX_TESTS)


def decided(
    configuration: Configuration, caller: Caller, facts: Facts, path: str, capability: str, asked: Asked = NO_PARAMETERS
) -> Decision:
    """Returns the decision for a caller of whom these facts are known. ``asked`` has the values of an ask to issue."""
    inline = None
    match (path.split("/"), capability):
        case (["roles", role, "leases"], "issue") if (bounds := configuration.inline_bounds(role)) is not None:
            inline = match(bounds, caller, facts)
    return decide(configuration.rights(caller, facts), path, capability, inline, asked)


def in_words(decision: Decision) -> str:
    """Returns what has decided, in words: ``policy P, rule 2, roles/*/leases``. Empty if nothing did."""
    match decision.by:
        case PolicyLine(policy, rule, path, _):
            return f"policy {policy}, rule {rule}, {path}"
        case Inline(role):
            return f"inline bounds of {role}"
        case AppRole(name):
            return f"app role {name}"
        case _:
            return ""


def asked_for(text: str) -> tuple[str, str]:
    """Returns the path and the capability of an ``ask``: ``issue roles/app/leases``, or ``issue app``. Raises
    ``Unparsable``.
    """
    capability, blank, path = text.partition(" ")
    if not blank or capability not in CAPABILITIES:
        hint = nearest(capability, CAPABILITIES) if blank else ""
        raise Unparsable(f"expected a capability ({', '.join(CAPABILITIES)}), a blank and a path{hint}")
    if capability == "issue" and "/" not in path:
        return f"roles/{RoleName.parse(path)}/leases", capability
    if "*" in path:
        raise Unparsable("a call has a path without stars")
    asked = capabilities_on(path)
    if capability not in asked:
        there = f", but for {', '.join(each for each in CAPABILITIES if each in asked)}" if asked else ": it is no call's path"
        raise Unparsable(f"no call asks for {capability} on {path}{there}")
    return path, capability


def _given(reader: Reader, asked: tuple[str, str] | None) -> Mapping[str, str]:
    """Reads what stands beside an ask to issue alone, and returns the values of its parameters."""
    given = read_given(reader, PARAMETERS)
    # It needs no right of its own, and changes no decision.
    reader.parsed(WITHIN, Scope.parse)
    for field in (PARAMETERS, WITHIN):
        if reader.has(field) and asked is not None and asked[1] != ISSUE:
            reader.fault(field, ONLY_ISSUE)
    return given


type _Test = tuple[Mapping[str, Any], Any, str, str, Mapping[str, str], str, str | None]


def _test(value: Any, path: str, faults: list[Fault]) -> _Test | None:
    before, reader = len(faults), Reader(value, path, faults)
    if not reader.has("caller"):
        reader.fault("caller", "is required")
    described = reader.take("caller")
    caller = Reader(described if reader.has("caller") else {}, f"{path}.caller", faults)
    claims = caller.take("claims")
    if not isinstance(claims, Mapping):
        caller.fault("claims", "expected an object")
    directory = caller.take("directory")
    if not caller.has("directory"):
        directory = _LEFT_OUT
    if directory is not _LEFT_OUT and directory is not None and not isinstance(directory, Mapping):
        caller.fault("directory", "expected an object or null")
    caller.done()
    asked = reader.parsed("ask", asked_for, required=True)
    given = _given(reader, asked)
    if not reader.has("expect"):
        reader.fault("expect", "is required")
    expected = reader.choice("expect", _EXPECTED, default="allowed")
    by = reader.text("by")
    reader.done()
    if len(faults) > before or asked is None or not isinstance(claims, Mapping):
        return None
    return claims, directory, *asked, given, expected, by
