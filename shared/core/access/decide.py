"""Decides whether a caller has a capability on a path of the API, and says what has decided. Pure.

Rights come from four places: the Entra app roles of the broker, the policies of the auth roles that match the caller, the
inline bounds of a role (``issue`` on its leases), and what a holder may do with its own lease, which the verbs say themselves.

``decide`` is about one ask with all of its values, and it is the only one that lets somebody issue. ``decide_on_some_ask`` and
``decide_on_every_ask`` answer other questions about a role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.core.access.asked import NO_PARAMETERS, Asked, Asks, EveryAsk, OneAsk, SomeAsk
from shared.core.access.auth_role import AuthRole
from shared.core.access.match import Matched, NotMatched, Outcome, Unknown
from shared.core.access.policy import DENY, ISSUE, Policy, Rule
from shared.core.access.wanted import FailedParameter
from shared.core.caller import ADMIN, AUDITOR, Caller

AUDITORS = (Rule("audit", ("read",)), Rule("status", ("read",)), Rule("leases/*", ("read", "list")))
"""What ``Leasehold.Auditor`` gives, as rules."""
_TOLD = 8
"""Rules with other parameters that a reason tells of."""


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """A rule of a policy. ``rule`` is its place in the policy, ``capability`` what was asked for, or ``deny``."""

    policy: str
    rule: int
    path: str
    capability: str


@dataclass(frozen=True, slots=True)
class Inline:
    """The inline bounds of a role."""

    role: str


@dataclass(frozen=True, slots=True)
class AppRole:
    """An Entra app role of the broker's own."""

    name: str


type Ground = PolicyLine | Inline | AppRole


def as_document(ground: Ground | None) -> dict[str, Any] | None:
    """Returns what has decided, as answers and the audit trail show it."""
    match ground:
        case PolicyLine(policy, rule, path, capability):
            return {"policy": policy, "rule": rule, "path": path, "capability": capability}
        case Inline(role):
            return {"inline": role}
        case AppRole(name):
            return {"app_role": name}
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome and what has decided. ``unknown``: a fact could not be read that might allow it.

    ``why`` is for the operator and the audit trail, never for the caller. ``overrode`` is a deny that an administrator's app
    role has overridden.
    """

    outcome: Literal["allowed", "denied", "unknown"]
    by: Ground | None = None
    why: str = ""
    overrode: PolicyLine | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the caller may."""
        return self.outcome == "allowed"


@dataclass(frozen=True, slots=True)
class Rights:
    """What the configuration says of one caller. ``policies`` has those that its auth roles name; ``None``: it is not there."""

    caller: Caller
    matched: tuple[AuthRole, ...] = ()
    doubtful: tuple[tuple[AuthRole, Unknown], ...] = ()
    """Auth roles of which a fact could not be read: their denies count, and their allows do not."""
    policies: Mapping[str, Policy | None] = field(default_factory=dict)

    @property
    def counting(self) -> tuple[AuthRole, ...]:
        """The auth roles whose denies count: those that match, and the doubtful ones."""
        return (*self.matched, *(each for each, _ in self.doubtful))

    def lines(self, auth_role: AuthRole) -> Iterator[tuple[str, int, Rule]]:
        """Yields each rule that the auth role gives, after the name of its policy and its place there."""
        for name in auth_role.policies:
            policy = self.policies.get(name)
            for place, rule in enumerate(policy.rules if policy is not None else ()):
                yield name, place, rule

    def denies(self) -> Iterator[tuple[str, int, Rule]]:
        """Yields each rule that denies, as ``lines`` does."""
        return (line for auth_role in self.counting for line in self.lines(auth_role) if line[2].denies)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A rule on the path that speaks of asks with other values: what it is, and which parameters keep it from this ask."""

    line: PolicyLine
    failed: tuple[FailedParameter, ...]

    def __str__(self) -> str:
        return f"policy {self.line.policy}, rule {self.line.rule}: {', '.join(map(str, self.failed))}"


def decide(rights: Rights, path: str, capability: str, inline: Outcome | None = None, asked: Asked = NO_PARAMETERS) -> Decision:
    """Decides. ``inline`` is what the inline bounds of the role say of the caller, where the path is a role's leases.

    ``asked`` has all values of an ask to issue: given ones, defaults, and facts about the caller. A deny wins over every allow.
    The app roles of the broker count before all policies.
    """
    return _decide(rights, path, capability, inline, OneAsk(asked))


def decide_on_some_ask(
    rights: Rights, path: str, inline: Outcome | None = None, names: frozenset[str] | None = None
) -> Decision:
    """Decides whether there may be an ask that the caller may issue from the role whose leases the path is.

    ``names``: the parameters of the role; ``None`` if they are not known. Nobody may be let in by this decision: ``decide`` has
    the last word, with the values.
    """
    return _decide(rights, path, ISSUE, inline, SomeAsk(names))


def decide_on_every_ask(rights: Rights, path: str, inline: Outcome | None = None) -> Decision:
    """Decides whether the caller may issue from the role whose leases the path is, whatever it asks for."""
    return _decide(rights, path, ISSUE, inline, EveryAsk())


def decide_on_some_path(rights: Rights, pattern: str, capability: str) -> Decision:
    """Decides whether the caller has the capability on any path of the pattern, such as ``leases/*``.

    A rule counts if it overlaps the pattern, and if no deny covers the whole rule. A rule with parameters never counts.
    """
    whole = decide(rights, pattern, capability)
    if whole.is_allowed:
        return whole
    for auth_role in rights.matched:
        for name, place, rule in rights.lines(auth_role):
            if _is_open(rights, rule, pattern, capability):
                return Decision("allowed", PolicyLine(name, place, rule.path, capability))
    for auth_role, doubt in rights.doubtful:
        if any(_is_open(rights, rule, pattern, capability) for _, _, rule in rights.lines(auth_role)):
            return Decision("unknown", why=f"auth role {auth_role.name}: {doubt.why}")
    return whole


def passed_over(rights: Rights, path: str, asks: Asks) -> tuple[PassedOver, ...]:
    """Returns the rules on the path that would allow or deny these asks if the asks had other values. Each is there once."""
    return tuple(dict.fromkeys(_passed_over(rights, path, asks)))


def _passed_over(rights: Rights, path: str, asks: Asks) -> Iterator[PassedOver]:
    for auth_role in rights.counting:
        for name, place, rule in rights.lines(auth_role):
            matches = asks.denied_by if rule.denies else asks.allowed_by
            failed = tuple(
                FailedParameter(each.name, each.values, asks.text_of(each.name))
                for each in rule.parameters
                if not matches(each)
            )
            if failed and rule.covers(path):
                yield PassedOver(PolicyLine(name, place, rule.path, DENY if rule.denies else ISSUE), failed)


def _decide(rights: Rights, path: str, capability: str, inline: Outcome | None, asks: Asks) -> Decision:
    denied = _denied(rights, path, capability, asks)
    caller = rights.caller
    if caller.is_admin:
        return Decision("allowed", AppRole(ADMIN), overrode=denied)
    if caller.is_auditor and any(rule.allows(path, capability) for rule in AUDITORS):
        return Decision("allowed", AppRole(AUDITOR))
    if denied is not None:
        return Decision("denied", denied, f"policy {denied.policy} denies {denied.path}")
    role = path.split("/")[1] if path.startswith("roles/") else ""
    for auth_role in rights.matched:
        if (line := _allowed(rights, auth_role, path, capability, asks)) is not None:
            return Decision("allowed", line)
    if isinstance(inline, Matched):
        return Decision("allowed", Inline(role))
    return _undecided(rights, path, capability, inline, asks)


def _is_open(rights: Rights, rule: Rule, pattern: str, capability: str) -> bool:
    """Returns whether the rule gives the capability on a path of the pattern which no deny takes away."""
    if capability not in rule.capabilities or rule.parameters or not rule.overlaps(pattern):
        return False
    return not any(deny.covers_pattern(rule.path) for _, _, deny in rights.denies() if not deny.parameters)


def _undecided(rights: Rights, path: str, capability: str, inline: Outcome | None, asks: Asks) -> Decision:
    """Nothing that is known allows it: whether something might that is not known."""
    for auth_role, doubt in rights.doubtful:
        if _allowed(rights, auth_role, path, capability, asks) is not None:
            return Decision("unknown", why=f"auth role {auth_role.name}: {doubt.why}")
    for auth_role in rights.counting:
        for name in auth_role.policies:
            policy = rights.policies.get(name)
            if policy is None or policy.faults:
                state = "is not there" if policy is None else "cannot be read"
                return Decision("unknown", why=f"policy {name} of auth role {auth_role.name} {state}")
    if isinstance(inline, Unknown):
        return Decision("unknown", why=f"inline bounds: {inline.why}")
    others = [str(each) for each in passed_over(rights, path, asks) if each.line.capability == capability][:_TOLD]
    if isinstance(inline, NotMatched):
        return Decision("denied", why="; ".join([f"not matched: {', '.join(inline.failed)}", *others]))
    return Decision("denied", why="; ".join([f"no policy gives {capability} on {path}", *others]))


def _denied(rights: Rights, path: str, capability: str, asks: Asks) -> PolicyLine | None:
    for name, place, rule in rights.denies():
        if rule.forbids(path, capability, asks):
            return PolicyLine(name, place, rule.path, DENY)
    return None


def _allowed(rights: Rights, auth_role: AuthRole, path: str, capability: str, asks: Asks) -> PolicyLine | None:
    for name, place, rule in rights.lines(auth_role):
        if rule.allows(path, capability, asks):
            return PolicyLine(name, place, rule.path, capability)
    return None
