"""Policies: path patterns, and the capabilities that a caller has there. ``deny`` wins over every allow.

A path mirrors the API's. A pattern is compared with a path segment by segment, and case counts. ``*`` stands for one or more
characters within one segment, and nothing reaches deeper: ``roles/*`` does not cover ``roles/web/leases``.

A rule may have parameters. Then it speaks only of asks to issue whose values match all of them, and of no other capability.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from shared.core.access.asked import WITHOUT_PARAMETERS, Asks
from shared.core.access.path_names import impossible_name
from shared.core.access.stars import covers_text, texts_overlap
from shared.core.access.wanted import Wanted, at_most, have_common, read_wanted, write_wanted
from shared.core.errors import Caution, Fault, Malformed
from shared.core.forms import POLICY, PROPERTY
from shared.core.names import ROLE_NAME, Unparsable
from shared.core.parsing import Reader, nearest

type ParametersOf = Callable[[str], Collection[str]]
"""Says which parameters a role has, by its name."""
type Capability = Literal["issue", "renew", "read", "list", "revoke", "write", "delete"]
CAPABILITIES: tuple[str, ...] = get_args(Capability.__value__)
DENY, ISSUE, PARAMETERS = "deny", "issue", "parameters"
MAX_RULES = 256
_LONGEST_PATH = 256
_NAME = re.compile(ROLE_NAME)
ASKED: Mapping[str, frozenset[str]] = {
    "roles": frozenset({"list"}),
    "roles/{role}": frozenset({"read", "write", "delete"}),
    "roles/{role}/leases": frozenset({"issue", "revoke"}),
    "leases/{id}": frozenset({"read", "list", "renew", "revoke", "write"}),
    "auth-roles": frozenset({"list"}),
    "auth-roles/{name}": frozenset({"read", "write", "delete"}),
    "policies": frozenset({"list", "read"}),
    "policies/{name}": frozenset({"read", "write", "delete"}),
    "event-rules": frozenset({"list"}),
    "event-rules/{name}": frozenset({"read", "write", "delete"}),
    "export": frozenset({"read"}),
    "audit": frozenset({"read"}),
    "status": frozenset({"read"}),
    "sweep": frozenset({"write"}),
    "reconcile": frozenset({"write"}),
}
"""Every path for which some call asks the gate, and the capabilities that calls ask for there: what a policy can give.

Importing is not here: it is for admins alone.
"""


class PolicyName(str):
    """The name of a policy or an auth role: as a role's, ``[a-z0-9][a-z0-9-]{0,62}``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> PolicyName:
        """Raises ``Unparsable``."""
        if _NAME.fullmatch(text) is None:
            raise Unparsable("a name is 1 to 63 characters of a-z, 0-9 and '-', beginning with a letter or digit")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``capabilities`` is empty if the rule denies every capability on the path.

    With ``parameters`` it allows or denies only asks to issue that have such values.
    """

    path: str
    capabilities: tuple[str, ...] = ()
    parameters: tuple[Wanted, ...] = ()

    @property
    def denies(self) -> bool:
        """Whether it takes rights away."""
        return not self.capabilities

    def covers(self, path: str) -> bool:
        """Returns whether the path is one of the pattern's."""
        return path == self.path or ("*" in self.path and self.covers_pattern(path))

    def allows(self, path: str, capability: str, asks: Asks = WITHOUT_PARAMETERS) -> bool:
        """Returns whether it gives the capability on the path, for these asks."""
        return capability in self.capabilities and self.covers(path) and all(map(asks.allowed_by, self.parameters))

    def forbids(self, path: str, capability: str, asks: Asks = WITHOUT_PARAMETERS) -> bool:
        """Returns whether it takes the capability on the path away, for these asks."""
        if self.capabilities or not self.covers(path):
            return False
        return not self.parameters or (capability == ISSUE and all(map(asks.denied_by, self.parameters)))

    def covers_pattern(self, pattern: str) -> bool:
        """Returns whether every path of the other pattern is one of this pattern's."""
        mine, others = self.path.split("/"), pattern.split("/")
        return len(mine) == len(others) and all(map(covers_text, mine, others))

    def overlaps(self, pattern: str) -> bool:
        """Returns whether some path is one of both patterns."""
        mine, others = self.path.split("/"), pattern.split("/")
        return len(mine) == len(others) and all(map(texts_overlap, mine, others))

    def gives_all_of(self, other: Rule, capability: str) -> bool:
        """Returns whether it gives the capability wherever the other rule gives it: on each of its paths, for all its asks."""
        return (
            capability in self.capabilities
            and self.covers_pattern(other.path)
            and (not self.parameters or at_most(self.parameters, other.parameters))
        )

    def forbids_some_of(self, other: Rule) -> bool:
        """Returns whether it denies something that the other rule gives."""
        if self.capabilities or not self.overlaps(other.path):
            return False
        return not self.parameters or (ISSUE in other.capabilities and have_common(self.parameters, other.parameters))


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. ``version`` is the stored row's ETag. ``faults``: what of a stored policy cannot be read."""

    name: str
    rules: tuple[Rule, ...] = ()
    version: str = ""
    faults: tuple[Fault, ...] = field(default=())

    @property
    def denies(self) -> bool:
        """Whether any of its rules denies."""
        return any(rule.denies for rule in self.rules)


def read_policy(name: str, document: Any) -> Policy:
    """Reads a policy that a caller has written. Raises ``Malformed`` with all faults."""
    return _read(name, document, _written_rule)


def _read(name: str, document: Any, rule: Callable[[Any, str, list[Fault]], Rule | None]) -> Policy:
    reader = Reader(document)
    rules = reader.items("rules", rule, most=MAX_RULES, required=True)
    reader.finish()
    return Policy(name, rules)


def write_policy(policy: Policy) -> dict[str, Any]:
    """Returns the public document."""
    return {"rules": [*map(_written, policy.rules)]}


def _written(rule: Rule) -> dict[str, Any]:
    document: dict[str, Any] = {"path": rule.path, "capabilities": list(rule.capabilities) or [DENY]}
    return document | ({PARAMETERS: write_wanted(rule.parameters)} if rule.parameters else {})


def restore_policy(name: str, document: Any, version: str, form: int = POLICY.written) -> Policy:
    """Returns a stored policy. Raises nothing.

    A later version may have written it, with paths, capabilities and conditions that this one does not know. A rule with a
    field that is not known gives nothing, and neither does a policy with one: the field may be a condition. Every other rule
    that can be read still holds, and every deny does. If the parameters of a deny cannot be read, or something stands beside
    them that is not known, it denies everything on its path. What cannot be read is in ``faults``. If this version does not
    know the form, nothing in the document is believed. A path with a name that nothing can have is no fault of a stored rule:
    it covers what it has covered, which is nothing.
    """
    if not POLICY.knows({PROPERTY: form}):
        return Policy(name, version=version, faults=(POLICY.fault_of(form),))
    try:
        return replace(_read(name, document, _rule), version=version)
    except Malformed as malformed:
        stored = document if isinstance(document, dict) else {}
        listed = stored.get("rules")
        rules = [_restored(each) for each in listed] if isinstance(listed, list) else []
        all_known = not stored.keys() - {"rules"}
        holds = tuple(each for each in rules if each is not None and (all_known or each.denies))
        return Policy(name, holds, version, malformed.faults)


def _restored(stored: Any) -> Rule | None:
    if (whole := _rule(stored, "", [])) is not None:
        return whole
    path = stored.get("path") if isinstance(stored, dict) else None
    named = stored.get("capabilities") if isinstance(stored, dict) else None
    if not isinstance(path, str) or not isinstance(named, list) or not named:
        return None
    if DENY in named:
        return Rule(path)
    if stored.keys() - {"path", "capabilities"}:
        return None
    known = tuple(each for each in named if each in CAPABILITIES)
    return Rule(path, known) if known else None


def policy_cautions(policy: Policy) -> Iterator[Caution]:
    """Yields what the policy's author should know. Looks at nothing else than the policy."""
    for place, rule in enumerate(policy.rules):
        if "write" in rule.capabilities and rule.path.startswith("roles/"):
            message = (
                "whoever may write a role may move its azure_roles: that is worth as much as the broker's own grants. "
                "Give it as you give Leasehold.Admin"
            )
            yield Caution(f"rules[{place}]", "writes_grants", message)
        if rule.parameters and not rule.denies and (free := _without_parameters(policy, rule)) is not None:
            message = f"rules[{free}] allows the same without parameters: these restrict nothing"
            yield Caution(f"rules[{place}].{PARAMETERS}", "void_parameters", message)


def _without_parameters(policy: Policy, rule: Rule) -> int | None:
    """Returns the place of a rule that has no parameters, and allows on every path of this rule what this one allows."""
    places = (place for place, each in enumerate(policy.rules) if not each.parameters and each.gives_all_of(rule, ISSUE))
    return next(places, None)


def unknown_roles(policy: Policy, roles: Iterable[str]) -> Iterator[Caution]:
    """Yields a warning for each rule about roles that covers none of those that there are."""
    known = tuple(roles)
    for place, rule in enumerate(policy.rules):
        pattern = _role_pattern(rule)
        if pattern and not any(covers_text(pattern, each) for each in known):
            yield Caution(f"rules[{place}].path", "no_such_role", f"no role is named {pattern}")


def unknown_parameters(policy: Policy, roles: Iterable[str], parameters_of: ParametersOf) -> Iterator[Caution]:
    """Yields a warning for each rule with parameters that its roles do not have.

    An allow gives nothing at a role without its parameters: it is warned if all of its roles are such. A deny does not deny
    what a role without its parameters issues: it is warned if any of its roles is such.
    """
    known = tuple(roles)
    for place, rule in enumerate(policy.rules):
        if not rule.parameters:
            continue
        covered = [each for each in known if covers_text(_role_pattern(rule), each)]
        names = {each.name for each in rule.parameters}
        without = [each for each in covered if not names <= {*parameters_of(each)}]
        if not without or (not rule.denies and len(without) < len(covered)):
            continue
        these = f"role {without[0]}{f' and {len(without) - 1} more do' if len(without) > 1 else ' does'}"
        lost = "the deny does not count there" if rule.denies else "the rule allows nothing there"
        message = f"{these} not have all of the parameters {', '.join(sorted(names))}: {lost}"
        yield Caution(f"rules[{place}].{PARAMETERS}", "no_such_parameter", message)


def _role_pattern(rule: Rule) -> str:
    """Returns the pattern of the roles that the rule is about; empty if it is about none."""
    word, _, rest = rule.path.partition("/")
    return rest.partition("/")[0] if word == "roles" else ""


def _written_rule(value: Any, path: str, faults: list[Fault]) -> Rule | None:
    """As ``_rule``, with a fault if no document and no lease can have a name of its path."""
    pattern = value.get("path") if isinstance(value, Mapping) else None
    before = len(faults)
    rule = _rule(value, path, faults)
    at = f"{path}.path"
    if isinstance(pattern, str) and not any(fault.path == at for fault in faults[before:]):
        wrong = [impossible_name(pattern, each) for each in ASKED if _may_be(pattern.split("/"), each.split("/"))]
        if wrong and all(wrong):
            faults.append(Fault(at, wrong[0]))
            return None
    return rule


def _rule(value: Any, path: str, faults: list[Fault]) -> Rule | None:
    reader = Reader(value, path, faults)
    before = len(faults)
    pattern = reader.text("path", required=True, longest=_LONGEST_PATH)
    named = reader.items("capabilities", _capability, most=len(CAPABILITIES) + 1, required=True)
    asked = _asked_at(reader, pattern) if pattern is not None else None
    parameters = read_wanted(reader, PARAMETERS)
    if DENY in named and len({*named}) > 1:
        reader.fault("capabilities", "deny stands alone: it takes every capability on the path away")
    elif asked is not None:
        for place, each in enumerate(named):
            if each not in asked and each != DENY:
                reader.fault(f"capabilities[{place}]", f"no call asks for {each} on this path, but for {_listed(asked)}")
    if reader.has(PARAMETERS):
        _check_place_of_parameters(reader, named, asked)
    reader.done()
    if len(faults) > before or pattern is None:
        return None
    return Rule(pattern, tuple(dict.fromkeys(each for each in named if each != DENY)), parameters)


def _check_place_of_parameters(reader: Reader, named: tuple[str, ...], asked: frozenset[str] | None) -> None:
    """Notes a fault if parameters would mean nothing in the rule, or would not mean all of it."""
    if named and {*named} not in ({ISSUE}, {DENY}):
        reader.fault(PARAMETERS, "stands in a rule whose one capability is issue, or in one that denies")
    elif asked is not None and ISSUE not in asked:
        reader.fault(PARAMETERS, "no call asks for issue on this path, and only what is issued has parameters")


def _capability(value: Any, path: str, faults: list[Fault]) -> str | None:
    known = (*CAPABILITIES, DENY)
    if isinstance(value, str) and value in known:
        return value
    faults.append(Fault(path, f"expected one of {', '.join(known)}{nearest(value, known)}"))
    return None


def _asked_at(reader: Reader, pattern: str) -> frozenset[str] | None:
    """Returns the capabilities that calls ask for on paths of the pattern. Notes a fault if it covers no call's path."""
    segments = pattern.split("/")
    if any(each in {"", ".", ".."} for each in segments):
        reader.fault("path", "begins or ends with /, or has an empty segment, or one of dots")
        return None
    word = segments[0]
    words = tuple(dict.fromkeys(each.partition("/")[0] for each in ASKED))
    if word not in words:
        star = "the first segment has no star: " if "*" in word else ""
        reader.fault("path", f"{star}expected a path that begins with one of {', '.join(words)}{nearest(word, words)}")
        return None
    asked = capabilities_on(pattern)
    if not asked:
        ours = [path for path in ASKED if path.partition("/")[0] == word]
        reader.fault("path", f"no call has such a path; with {word} there are {', '.join(ours)}{nearest(pattern, ours)}")
        return None
    return asked


def capabilities_on(pattern: str) -> frozenset[str]:
    """Returns the capabilities that calls ask for on the paths of a pattern. Empty if it covers no call's path."""
    segments = pattern.split("/")
    if "" in segments:
        return frozenset()
    return frozenset[str]().union(*(capabilities for path, capabilities in ASKED.items() if _may_be(segments, path.split("/"))))


def _may_be(pattern: list[str], path: list[str]) -> bool:
    return len(pattern) == len(path) and all(
        expected.startswith("{") or covers_text(given, expected) for given, expected in zip(pattern, path, strict=True)
    )


def _listed(words: frozenset[str]) -> str:
    return ", ".join(each for each in CAPABILITIES if each in words)
