"""The language of role assignment conditions, parsed: attributes, operators, ``ActionMatches``, and how they combine.

Grammar and operators: https://learn.microsoft.com/azure/role-based-access-control/conditions-format
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


class ConditionSyntaxError(ValueError):
    """The text is not a condition."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """``@Request[Microsoft.Authorization/roleAssignments:PrincipalId]``: a source and a name in it."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class Values:
    """One literal, or several in braces."""

    items: tuple[str, ...]


type Operand = Attribute | Values


@dataclass(frozen=True, slots=True)
class Comparison:
    """``<operand> <quantifiers>:<operator> <operand>``; a quantifier is ``any`` or ``all`` of one side."""

    left: Operand
    operator: str
    every_left: bool
    every_right: bool
    right: Operand


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the attribute has any value."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Matches:
    """``ActionMatches{'...'}``, or ``SubOperationMatches{'...'}``."""

    patterns: tuple[str, ...]
    of_suboperation: bool


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    term: Expression


@dataclass(frozen=True, slots=True)
class Together:
    """A conjunction (``every``) or a disjunction."""

    terms: tuple[Expression, ...]
    every: bool


type Expression = Comparison | Exists | Matches | Not | Together

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<attribute>@(?P<source>Request|Resource|Principal|Environment)\[(?P<name>[^\]]+)\])"
    r"|(?P<text>'(?:[^'\\]|\\.|'')*')"
    r"|(?P<symbol>&&|\|\||[!(){},])"
    r"|(?P<guid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z][A-Za-z:]*)"
    r")",
    re.IGNORECASE,
)
_STRINGS = ("Equals", "EqualsIgnoreCase", "StartsWith", "StartsWithIgnoreCase", "Like", "LikeIgnoreCase")
_NUMBERS = ("Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS = frozenset(
    f"{kind}{negation}{name}".lower()
    for kind, names in (
        ("String", _STRINGS),
        ("Numeric", _NUMBERS),
        ("DateTime", _NUMBERS),
        ("Bool", ("Equals",)),
        ("Guid", ("Equals",)),
    )
    for name in names
    for negation in (("", "Not") if "Than" not in name else ("",))
)
_BOOLEANS = frozenset({"true", "false"})
_QUANTIFIED = re.compile(r"^for(any|all)of(any|all)values:(\w+)$")
_PROPERTY = r"(?::[^\[\]<>$&']+(?:<\$key_case_sensitive\$>)?|&\$keys\$&)"
_NAMES = {
    "request": rf"microsoft\.(?:authorization/roleassignments|(?:storage|keyvault)(?:/\w+)+){_PROPERTY}|suboperation",
    "resource": rf"microsoft\.(?:authorization/roleassignments|(?:storage|keyvault)(?:/\w+)+){_PROPERTY}",
    "principal": r"microsoft\.directory/customsecurityattributes/id:\w+",
    "environment": r"utcnow|isprivatelink|microsoft\.network/(?:privateendpoints|virtualnetworks/subnets)",
}
"""Attributes that conditions may name, by their source; another is refused with the same error as bad syntax."""


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The expression that a condition states; raises ``ConditionSyntaxError``."""
    parser = _Parser(_tokens(text))
    expression = parser.disjunction()
    if parser.kind != "end":
        raise ConditionSyntaxError(f"unexpected {parser.value}")
    return expression


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            raise ConditionSyntaxError(f"unexpected text at {at}")
        kind = match.lastgroup or ""
        kind = "attribute" if match["attribute"] else kind
        found.append((kind, match[kind]))
        at = match.end()
    return [*found, ("end", "")]


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def value(self) -> str:
        return self._tokens[self._at][1]

    def disjunction(self) -> Expression:
        terms = [self._conjunction()]
        while self._took("||") or self._took("OR"):
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else Together(tuple(terms), every=False)

    def _conjunction(self) -> Expression:
        terms = [self._term()]
        while self._took("&&") or self._took("AND"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else Together(tuple(terms), every=True)

    def _term(self) -> Expression:
        if self._took("!") or self._took("NOT"):
            return Not(self._term())
        if self._took("("):
            inner = self.disjunction()
            self._expect(")")
            return inner
        if self.kind == "word" and self.value.lower() not in _BOOLEANS:
            return self._function()
        return self._comparison()

    def _function(self) -> Expression:
        word = self._take().lower()
        if word in {"actionmatches", "suboperationmatches"}:
            patterns = self._operand()
            if not isinstance(patterns, Values):
                raise ConditionSyntaxError(f"{word} takes text")
            return Matches(patterns.items, word == "suboperationmatches")
        if word in {"exists", "notexists"}:
            attribute = self._operand()
            if not isinstance(attribute, Attribute):
                raise ConditionSyntaxError("Exists takes an attribute")
            return Not(Exists(attribute)) if word == "notexists" else Exists(attribute)
        raise ConditionSyntaxError(f"unknown function {word}")

    def _comparison(self) -> Comparison:
        left = self._operand()
        if self.kind != "word":
            raise ConditionSyntaxError("an operator is missing")
        name = self._take().lower()
        quantified = _QUANTIFIED.match(name)
        operator = quantified[3] if quantified else name
        if operator not in OPERATORS:
            raise ConditionSyntaxError(f"unknown operator {name}")
        every_left, every_right = (quantified[1] == "all", quantified[2] == "all") if quantified else (False, False)
        return Comparison(left, operator, every_left, every_right, self._operand())

    def _operand(self) -> Operand:
        if self.kind == "attribute":
            return _attribute(self._take())
        if not self._took("{"):
            return Values((self._literal(),))
        items = [self._literal()]
        while self._took(","):
            items.append(self._literal())
        self._expect("}")
        return Values(tuple(items))

    def _literal(self) -> str:
        kind, value = self.kind, self.value
        if kind not in {"text", "number", "guid"} and value.lower() not in _BOOLEANS:
            raise ConditionSyntaxError(f"a value is missing before {value!r}")
        self._at += 1
        return value[1:-1].replace("''", "'") if kind == "text" else value

    def _took(self, symbol: str) -> bool:
        if self.kind in {"symbol", "word"} and self.value.upper() == symbol:
            self._at += 1
            return True
        return False

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _expect(self, symbol: str) -> None:
        if not self._took(symbol):
            raise ConditionSyntaxError(f"{symbol} is missing")


def _attribute(text: str) -> Attribute:
    source, name = text[1:-1].lower().split("[", 1)
    if not re.fullmatch(_NAMES[source], name):
        raise ConditionSyntaxError(f"unknown attribute {name}")
    return Attribute(source, name)
