"""Policies: path patterns, and the capabilities that a caller has there. ``deny`` wins over every allow.

A path mirrors the API's. A pattern is compared with a path segment by segment, and case counts. ``*`` stands for one or more
characters within one segment, and nothing reaches deeper: ``roles/*`` does not cover ``roles/web/leases``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from shared.core.errors import Caution, Fault, Malformed
from shared.core.forms import POLICY, PROPERTY
from shared.core.names import ROLE_NAME, Unparsable
from shared.core.parsing import Reader, nearest

type Capability = Literal["issue", "renew", "read", "list", "revoke", "write", "delete"]
CAPABILITIES: tuple[str, ...] = get_args(Capability.__value__)
DENY = "deny"
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
"""Every path for which some call asks the gate, and the capabilities that calls ask for there."""
_ANY = "\0"
"""Takes the place of a star that is compared with a pattern. No pattern has this character."""
_WORDS = tuple(dict.fromkeys(each.partition("/")[0] for each in ASKED))


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
    """One rule. ``capabilities`` is empty if the rule denies every capability on the path."""

    path: str
    capabilities: tuple[str, ...] = ()

    @property
    def denies(self) -> bool:
        """Whether it takes every capability away."""
        return not self.capabilities

    def covers(self, path: str) -> bool:
        """Returns whether the path is one of the pattern's."""
        return path == self.path or ("*" in self.path and self.covers_pattern(path))

    def allows(self, path: str, capability: str) -> bool:
        """Returns whether it gives the capability on the path."""
        return capability in self.capabilities and self.covers(path)

    def covers_pattern(self, pattern: str) -> bool:
        """Returns whether every path of the other pattern is one of this pattern's."""
        mine, others = self.path.split("/"), pattern.split("/")
        return len(mine) == len(others) and all(map(covers_segment, mine, others))

    def overlaps(self, pattern: str) -> bool:
        """Returns whether some path is one of both patterns."""
        mine, others = self.path.split("/"), pattern.split("/")
        return len(mine) == len(others) and all(map(_overlaps_segment, mine, others))


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
    reader = Reader(document)
    rules = reader.items("rules", _rule, most=MAX_RULES, required=True)
    reader.finish()
    return Policy(name, rules)


def write_policy(policy: Policy) -> dict[str, Any]:
    """Returns the public document."""
    return {"rules": [{"path": each.path, "capabilities": list(each.capabilities) or [DENY]} for each in policy.rules]}


def restore_policy(name: str, document: Any, version: str, form: int = POLICY.written) -> Policy:
    """Returns a stored policy. Raises nothing.

    A later version may have written it, with paths, capabilities and conditions that this one does not know. A rule with a
    field that is not known gives nothing, and neither does a policy with one: the field may be a condition. Every other rule
    that can be read still holds, and every deny does. What cannot be read is in ``faults``. If this version does not know the
    form, nothing in the document is believed.
    """
    if not POLICY.knows({PROPERTY: form}):
        return Policy(name, version=version, faults=(POLICY.fault_of(form),))
    try:
        return replace(read_policy(name, document), version=version)
    except Malformed as malformed:
        stored = document if isinstance(document, dict) else {}
        listed = stored.get("rules")
        rules = [_restored(each) for each in listed] if isinstance(listed, list) else []
        all_known = not stored.keys() - {"rules"}
        holds = tuple(each for each in rules if each is not None and (all_known or each.denies))
        return Policy(name, holds, version, malformed.faults)


def _restored(stored: Any) -> Rule | None:
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


def unknown_roles(policy: Policy, roles: Iterable[str]) -> Iterator[Caution]:
    """Yields a warning for each rule about roles that covers none of those that there are."""
    known = tuple(roles)
    for place, rule in enumerate(policy.rules):
        word, _, rest = rule.path.partition("/")
        pattern = rest.partition("/")[0] if word == "roles" else ""
        if pattern and not any(covers_segment(pattern, each) for each in known):
            yield Caution(f"rules[{place}].path", "no_such_role", f"no role is named {pattern}")


def _rule(value: Any, path: str, faults: list[Fault]) -> Rule | None:
    reader = Reader(value, path, faults)
    before = len(faults)
    pattern = reader.text("path", required=True, longest=_LONGEST_PATH)
    named = reader.items("capabilities", _capability, most=len(CAPABILITIES) + 1, required=True)
    asked = _asked_at(reader, pattern) if pattern is not None else None
    if DENY in named and len({*named}) > 1:
        reader.fault("capabilities", "deny stands alone: it takes every capability on the path away")
    elif asked is not None:
        for place, each in enumerate(named):
            if each not in asked and each != DENY:
                reader.fault(f"capabilities[{place}]", f"no call asks for {each} on this path, but for {_listed(asked)}")
    reader.done()
    if len(faults) > before or pattern is None:
        return None
    return Rule(pattern, tuple(dict.fromkeys(each for each in named if each != DENY)))


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
    if word not in _WORDS:
        star = "the first segment has no star: " if "*" in word else ""
        reader.fault("path", f"{star}expected a path that begins with one of {', '.join(_WORDS)}{nearest(word, _WORDS)}")
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
        expected.startswith("{") or covers_segment(given, expected) for given, expected in zip(pattern, path, strict=True)
    )


def _listed(words: frozenset[str]) -> str:
    return ", ".join(each for each in CAPABILITIES if each in words)


def covers_segment(mine: str, others: str) -> bool:
    """Returns whether every text of the other pattern is one of mine. Both may have stars, each for one or more characters.

    A star of the other pattern can stand for any characters, so only a star of mine covers it. The time is proportional to the
    length, however many stars there are: after a star, the first place of the next part is as good as any later one.
    """
    if "*" not in mine:
        return mine == others
    begin, *middle, end = mine.split("*")
    text = others.replace("*", _ANY)
    if not text.startswith(begin):
        return False
    place = len(begin)
    for part in middle:
        place = text.find(part, place + 1)
        if place < 0:
            return False
        place += len(part)
    return place < len(text) - len(end) and text.endswith(end)


def _overlaps_segment(one: str, other: str) -> bool:
    """Returns whether some text is one of both patterns: walks both at once, with stars that may take one character or more."""
    reached = {(0, 0)}
    done: set[tuple[int, int]] = set()
    while reached:
        here = reached.pop()
        done.add(here)
        i, j = here
        if i == len(one) and j == len(other):
            return True
        if i == len(one) or j == len(other):
            continue
        a, b = one[i], other[j]
        # Each pattern takes the same next character. After a star has taken one, it may end or go on.
        steps = {
            (after_one, after_other)
            for after_one in ((i, i + 1) if a == "*" else (i + 1,))
            for after_other in ((j, j + 1) if b == "*" else (j + 1,))
            if a in {"*", b} or b == "*"
        }
        reached |= steps - done
    return False
