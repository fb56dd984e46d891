"""Checks the form of a text that is to be the condition of a role assignment. Azure decides which attributes a provider has.

Language: https://learn.microsoft.com/azure/role-based-access-control/conditions-format. A condition is made of comparisons,
``ActionMatches{'..'}``, ``SubOperationMatches{'..'}``, ``Exists @..[..]``, joined by ``AND``, ``OR``, ``NOT``, parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shared.core.names import Unparsable

MAX_CONDITION = 8192
"""The characters of the longest condition that the broker takes."""
_TYPE = r"[a-z0-9]+(?:\.[a-z0-9]+)+(?:/[a-z0-9]+)+"
"""A provider's: ``Microsoft.Storage/storageAccounts/blobServices/containers``."""
_OF_A_TYPE = rf"{_TYPE}(?::[^\[\]<>$&']+(?:<\$key_case_sensitive\$>)?|&\$keys\$&)"
"""A property, ``:name``; the value of a tag, ``/tags:Project<$key_case_sensitive$>``; the keys of tags, ``/tags&$keys$&``."""
_ATTRIBUTES: Final = {
    "resource": _OF_A_TYPE,
    "request": rf"{_OF_A_TYPE}|suboperation",
    "principal": r"microsoft\.directory/customsecurityattributes/id:[a-z0-9_]+",
    "environment": rf"utcnow|isprivatelink|{_TYPE}(?::[a-z0-9]+)?",
}
"""By where an attribute is found; in any case. ``subOperation`` is how suboperations were written at first. Lists:
https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes,
https://learn.microsoft.com/azure/role-based-access-control/conditions-authorization-actions-attributes."""
_ATTRIBUTE = re.compile("|".join(rf"@{source}\[(?:{name})\]" for source, name in _ATTRIBUTES.items()), re.IGNORECASE)
_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<attribute>@(?:Request|Resource|Principal|Environment)\[[^\]]+\])"
    r"|(?P<value>'(?:[^'\\]|\\.|'')*'|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|-?\d+(?:\.\d+)?|(?:true|false)\b)"
    r"|(?P<symbol>&&|\|\||[!(){},])"
    r"|(?P<word>[A-Za-z][A-Za-z:]*)"
    r")",
    re.IGNORECASE,
)
_COMPARED = "(?:not)?(?:equals|lessthan(?:equals)?|greaterthan(?:equals)?|inrange)"
_OPERATOR = re.compile(
    r"(?:for(?:any|all)of(?:any|all)values:)?(?:"
    r"string(?:not)?(?:equals|startswith|like)(?:ignorecase)?"
    rf"|(?:numeric|datetime|timeofday){_COMPARED}"
    r"|(?:bool|guid)(?:not)?equals)"
)
_JOINS: Final = {"and", "or", "&&", "||"}
_DEEPEST: Final = 32
"""Parentheses and negations within one another. Nobody writes so many, and a parser must come to an end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A value or an attribute in a condition: its text, from character ``at`` on, quotes included.

    ``operator`` is what compares it with an attribute on the left of it, folded: ``stringequals``. It is empty for a piece that
    is itself on the left, stands alone, or is compared with a value. ``negated``: whether it stands under ``!`` or ``NOT``.
    """

    text: str
    at: int
    operator: str = ""
    negated: bool = False


def condition(text: str) -> str:
    """Returns the text itself. Raises ``Unparsable`` if Azure could not read it as a condition."""
    pieces_of(text)
    return text


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Returns the values and attributes of a condition, in its order. Raises ``Unparsable``, as ``condition`` does."""
    if not text.strip():
        raise Unparsable("a condition is not blank: leave it out where there is none")
    reading = _Reading([*_tokens(text), ("end", "the end", len(text))])
    reading.expression(0)
    if reading.kind != "end":
        raise reading.unexpected("AND, OR or the end")
    return tuple(reading.pieces)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unparsable(f"a condition cannot be read from character {at + 1} on")
        kind = match.lastgroup or ""
        yield kind, match[kind], match.start(kind)
        at = match.end()


@dataclass(slots=True)
class _Reading:
    """Recursive descent, one token ahead."""

    tokens: list[tuple[str, str, int]]
    at: int = 0
    pieces: list[Piece] = field(default_factory=list)
    negations: int = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def word(self) -> str:
        return self.tokens[self.at][1].lower()

    def expression(self, depth: int) -> None:
        self._term(depth)
        while self.word in _JOINS and self.kind != "value":
            self.at += 1
            self._term(depth)

    def _term(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise Unparsable(f"a condition is nested at most {_DEEPEST} deep")
        if self._took("!") or self._took("not"):
            self.negations += 1
            self._term(depth + 1)
            self.negations -= 1
        elif self._took("("):
            self.expression(depth + 1)
            self._expect(")")
        elif self._took("actionmatches") or self._took("suboperationmatches"):
            self._values()
        elif self._took("exists") or self._took("notexists"):
            self._attribute()
        else:
            self._comparison()

    def _comparison(self) -> None:
        of_an_attribute = self.kind == "attribute"
        self._operand()
        if self.kind != "word" or _OPERATOR.fullmatch(self.word) is None:
            raise self.unexpected("an operator, such as StringEquals")
        operator = self.word if of_an_attribute else ""
        self.at += 1
        self._operand(operator)

    def _operand(self, operator: str = "") -> None:
        if self.kind == "attribute":
            self._attribute()
        else:
            self._values(operator)

    def _values(self, operator: str = "") -> None:
        """Reads one value, or several in braces."""
        if not self._took("{"):
            self._value(operator)
            return
        self._value(operator)
        while self._took(","):
            self._value(operator)
        self._expect("}")

    def _value(self, operator: str) -> None:
        if self.kind != "value":
            raise self.unexpected("a value, such as 'text'")
        self._take_piece(operator)

    def _take_piece(self, operator: str = "") -> None:
        _, text, start = self.tokens[self.at]
        self.pieces.append(Piece(text, start, operator, self.negations > 0))
        self.at += 1

    def _attribute(self) -> None:
        if self.kind != "attribute":
            raise self.unexpected("an attribute, such as @Resource[..]")
        if _ATTRIBUTE.fullmatch(self.tokens[self.at][1]) is None:
            raise self.unexpected("an attribute such as @Resource[Microsoft.Storage/storageAccounts:name]")
        self._take_piece()

    def _took(self, wanted: str) -> bool:
        if self.kind in {"symbol", "word"} and self.word == wanted:
            self.at += 1
            return True
        return False

    def _expect(self, wanted: str) -> None:
        if not self._took(wanted):
            raise self.unexpected(wanted)

    def unexpected(self, wanted: str) -> Unparsable:
        """Returns the error to raise at this token."""
        return Unparsable(f"a condition has {wanted} where this one has {self.tokens[self.at][1][:40]}")
