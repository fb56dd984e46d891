"""Why somebody may or may not do something: for operators alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.access.asked import NO_PARAMETERS, Asked, OneAsk, SomeAsk
from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds
from shared.core.access.configuration import Configuration
from shared.core.access.decide import Decision, PassedOver, decide, passed_over
from shared.core.access.facts import Facts
from shared.core.access.match import Matched, NotMatched, Outcome, Unknown, match
from shared.core.access.policy import ISSUE
from shared.core.access.refusals import Failed, failed_kinds
from shared.core.caller import Caller

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Explained:
    """What bounds say of the subject. ``name`` is the auth role's, empty for inline bounds."""

    name: str
    outcome: Outcome
    failed: tuple[Failed, ...] = ()

    @property
    def word(self) -> str:
        """The outcome in a word."""
        match self.outcome:
            case Matched():
                return "matched"
            case NotMatched():
                return "not matched"
            case Unknown():
                return "unknown"

    @property
    def why(self) -> str:
        """Why it is unknown; empty if it is not."""
        return self.outcome.why if isinstance(self.outcome, Unknown) else ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and what each auth role says of the subject. ``left_out`` counts the auth roles that are not shown."""

    decision: Decision
    auth_roles: tuple[Explained, ...]
    inline: Explained | None
    left_out: int = 0
    passed_over: tuple[PassedOver, ...] = ()
    """Rules on the path that speak of asks with other values of parameters."""


def explain(
    configuration: Configuration,
    caller: Caller,
    facts: Facts,
    path: str,
    capability: str,
    inline: Bounds | None,
    asked: Asked = NO_PARAMETERS,
) -> Explanation:
    """Returns the decision and what led to it. ``inline`` are the bounds of the role, if it has any.

    ``asked`` has the values of an ask to issue.

    A hundred auth roles are shown at most: first those that match, those that are unknown, and those whose policies speak of
    the path.
    """
    outcome = match(inline, caller, facts) if inline is not None and inline.name_somebody else None
    rights = configuration.rights(caller, facts)
    decision = decide(rights, path, capability, outcome, asked)
    judged = [(auth_role, configuration.outcome(auth_role, caller, facts)) for auth_role in configuration.auth_roles()]
    judged.sort(key=lambda it: (_rank(configuration, it[0], it[1], path, capability), it[0].name))
    shown = tuple(Explained(each.name, found, failed_kinds(each.bounds, caller, facts)) for each, found in judged[:_SHOWN])
    own = Explained("", outcome, failed_kinds(inline, caller, facts)) if inline is not None and outcome is not None else None
    others = tuple(passed_over(rights, path, OneAsk(asked)))[:_SHOWN] if capability == ISSUE else ()
    return Explanation(decision, shown, own, max(0, len(judged) - _SHOWN), others)


def _rank(configuration: Configuration, auth_role: AuthRole, outcome: Outcome, path: str, capability: str) -> int:
    if isinstance(outcome, Matched):
        return 0
    if isinstance(outcome, Unknown):
        return 1
    rules = configuration.rules_of(auth_role)
    speaks = any(rule.allows(path, capability, SomeAsk()) or (rule.denies and rule.covers(path)) for rule in rules)
    return 2 if speaks else 3
