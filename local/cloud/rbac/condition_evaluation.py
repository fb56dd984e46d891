"""Whether a role assignment's condition holds for what is being asked."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from local.cloud.rbac.condition_syntax import Attribute, Comparison, Exists, Expression, Matches, Not, Operand, Together, Values

type Attributes = Mapping[str, tuple[str, ...]]
"""Values by attribute name, in lower case: ``microsoft.authorization/roleassignments:principalid``."""


class UnknownAttributeError(LookupError):
    """The outcome depends on an attribute that the service cannot look at."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a condition can look at: the action, and the attributes of the request and of the resource."""

    action: str
    request: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    suboperation: str | None = None
    known: frozenset[Attribute] | None = None
    """All attributes that the service can look at. Without it every other attribute is absent."""

    def values(self, attribute: Attribute) -> tuple[str, ...]:
        """The attribute's values; none when it is absent. Principal and environment attributes are never there.

        Raises ``UnknownAttributeError`` for one that is not among the ``known``.
        """
        if attribute.name == "suboperation":
            return (self.suboperation,) if self.suboperation else ()
        if self.known is not None and attribute not in self.known:
            raise UnknownAttributeError(attribute.name)
        return {"request": self.request, "resource": self.resource}.get(attribute.source, {}).get(attribute.name, ())


def holds(expression: Expression, circumstances: Circumstances) -> bool:
    """Evaluates a condition. A comparison with an attribute that is absent is false."""
    match expression:
        case Together(terms, every):
            combine = all if every else any
            return combine(holds(term, circumstances) for term in terms)
        case Not(term):
            return not holds(term, circumstances)
        case Matches(patterns, of_suboperation):
            subject = circumstances.suboperation if of_suboperation else circumstances.action
            return any(action_matches(pattern, subject or "") for pattern in patterns)
        case Exists(attribute):
            return bool(circumstances.values(attribute))
        case Comparison():
            return _compare(expression, circumstances)


@lru_cache(maxsize=4096)
def _wildcard(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")) + r"\Z", re.IGNORECASE | re.DOTALL)


def action_matches(pattern: str, action: str) -> bool:
    """Whether ``Microsoft.Storage/*/read`` names ``Microsoft.Storage/storageAccounts/read``; ``*`` spans segments."""
    return _wildcard(pattern).match(action) is not None


def _compare(comparison: Comparison, circumstances: Circumstances) -> bool:
    left, right = _values(comparison.left, circumstances), _values(comparison.right, circumstances)
    if not left or not right:
        return False
    test = _test(comparison.operator)
    of_left = all if comparison.every_left else any
    of_right = all if comparison.every_right else any
    return of_left(of_right(test(one, other) for other in right) for one in left)


def _values(operand: Operand, circumstances: Circumstances) -> tuple[str, ...]:
    return operand.items if isinstance(operand, Values) else circumstances.values(operand)


def _test(name: str) -> Callable[[str, str], bool]:
    positive = name.replace("not", "", 1)
    base = _BASES[positive]
    return base if positive == name else lambda left, right: not base(left, right)


def _like(left: str, pattern: str) -> bool:
    parts = re.split(r"(\\[*?]|[*?])", pattern)
    expression = "".join({"*": ".*", "?": "."}.get(part, re.escape(part.removeprefix("\\"))) for part in parts)
    return re.fullmatch(expression, left, re.DOTALL) is not None


def _numeric(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compare(left: str, right: str) -> bool:
        try:
            return test(float(left), float(right))
        except ValueError:
            return False

    return compare


def _folded(test: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda left, right: test(left.casefold(), right.casefold())


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}
_BASES: Mapping[str, Callable[[str, str], bool]] = {
    "stringequals": operator.eq,
    "stringequalsignorecase": _folded(operator.eq),
    "stringstartswith": str.startswith,
    "stringstartswithignorecase": _folded(str.startswith),
    "stringlike": _like,
    "stringlikeignorecase": _folded(_like),
    "boolequals": _folded(operator.eq),
    "guidequals": _folded(operator.eq),
    **{f"numeric{name}": _numeric(test) for name, test in _ORDERS.items()},
    # ISO 8601 texts of one precision and zone order as their instants do.
    **{f"datetime{name}": test for name, test in _ORDERS.items()},
}
