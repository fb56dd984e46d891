"""OData's ``$filter``, as far as directory objects are queried with it: comparisons, ``in``, text functions and ``any``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import ge, gt, le, lt
from typing import Any

from local.cloud.graph import errors, types

type Get = Callable[[str], Any]
"""The value of a property, by its path."""
type Predicate = Callable[[Get], bool]

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[\w.@$:+-]+(?:/[\w.@$]+)*)|(?P<sign>[(),/]))")
FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": lambda value, part: part in value,
}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {"ge": ge, "gt": gt, "le": le, "lt": lt}
_NAMED = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Operand:
    """A property, and what is done with it."""

    path: str
    """``tags[]`` is an element of ``tags``."""
    operator: str = ""
    """As OData names it, or a function; without one, the property is only looked at."""
    literal: str | None = None
    """The type of what it is compared with."""


@dataclass(slots=True)
class Filter:
    """A parsed filter. ``advanced`` ones need ``ConsistencyLevel: eventual`` and ``$count=true``."""

    matches: Predicate
    advanced: bool
    operands: list[Operand]
    """The properties that it looks at."""


_BY_APP_ID = re.compile(r"\s*appId\s+eq\s+'([^']*)'\s*", re.IGNORECASE)


def wanted_app_id(expression: str | None) -> str | None:
    """The client id, when the whole filter asks for one: the most frequent filter needs no scan."""
    found = _BY_APP_ID.fullmatch(expression or "")
    return found[1].lower() if found else None


def parse(expression: str) -> Filter:
    """The filter that this expression states; refuses what cannot be read."""
    parser = _Parser(_tokens(expression))
    predicate = parser.either()
    if parser.rest:
        raise _unreadable(parser.rest[0])
    return Filter(predicate, parser.advanced, parser.operands)


def _tokens(expression: str) -> list[str]:
    tokens, at, length = [], 0, len(expression.rstrip())
    while at < length:
        found = _TOKEN.match(expression, at)
        if found is None:
            raise _unreadable(expression[at:])
        tokens.append(found[found.lastgroup or 0])
        at = found.end()
    return tokens


def _unreadable(where: str) -> Exception:
    return errors.bad_request(f"Invalid filter clause: syntax error at '{where}'.", "BadRequest")


@dataclass(slots=True)
class _Parser:
    """Recursive descent, a method for each level of precedence."""

    rest: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    """Each with the collection that it goes through."""
    advanced: bool = False
    operands: list[Operand] = field(default_factory=list)

    def either(self) -> Predicate:
        alternatives = [self.both()]
        while self.skip("or"):
            alternatives.append(self.both())
        return alternatives[0] if len(alternatives) == 1 else lambda get: any(one(get) for one in alternatives)

    def both(self) -> Predicate:
        parts = [self.single()]
        while self.skip("and"):
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else lambda get: all(one(get) for one in parts)

    def single(self) -> Predicate:
        if self.skip("not"):
            self.advanced = True
            inner = self.single()
            return lambda get: not inner(get)
        if self.skip("("):
            inner = self.either()
            self.expect(")")
            return inner
        word = self.take()
        if word.lower() in FUNCTIONS:
            return self.function(word.lower())
        if word.endswith("/any"):
            return self.some(word.removesuffix("/any"))
        return self.comparison(word)

    def function(self, name: str) -> Predicate:
        self.advanced = self.advanced or name != "startswith"
        self.expect("(")
        path, whole = self.path(self.take())
        self.expect(",")
        wanted = str(self.literal(whole, name)).casefold()
        self.expect(")")
        test = FUNCTIONS[name]
        return lambda get: isinstance(value := get(path), str) and test(value.casefold(), wanted)

    def some(self, collection: str) -> Predicate:
        path, whole = self.path(collection)
        self.operands.append(Operand(whole, "any"))
        self.expect("(")
        if self.skip(")"):
            return lambda get: bool(get(path))
        # The tokens are `x:x eq 'v'`, or `x:startswith (x, 'v')`: variable and what follows it stand in one word.
        variable, _, first = self.take().partition(":")
        self.variables[variable] = f"{whole}[]"
        self.rest[:0] = [first] if first else []
        inner = self.either()
        del self.variables[variable]
        self.expect(")")
        return lambda get: any(inner(_within(item)) for item in get(path) or ())

    def comparison(self, word: str) -> Predicate:
        (path, whole), operator = self.path(word), self.take().lower()
        if operator == "in":
            return self.among(path, whole)
        wanted = self.literal(whole, operator)
        if operator == "eq":
            return lambda get: _same(get(path), wanted)
        if operator == "ne":
            self.advanced = True
            return lambda get: not _same(get(path), wanted)
        if operator not in _ORDER:
            raise _unreadable(operator)
        test = _ORDER[operator]
        return lambda get: (value := get(path)) is not None and test(str(value), str(wanted))

    def among(self, path: str, whole: str) -> Predicate:
        self.expect("(")
        wanted = [self.literal(whole, "eq")]
        while self.skip(","):
            wanted.append(self.literal(whole, "eq"))
        self.expect(")")
        return lambda get: any(_same(get(path), value) for value in wanted)

    def path(self, word: str) -> tuple[str, str]:
        """A property's path from where it is looked up, and its whole path; within ``any`` the variable is the empty path."""
        head, slash, tail = word.partition("/")
        inside = self.variables.get(head)
        return (word, word) if inside is None else (tail, f"{inside}{slash}{tail}")

    def literal(self, path: str, operator: str) -> Any:
        word = self.take()
        kind = types.of_literal(word)
        self.operands.append(Operand(path, operator, kind))
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        if word in {"(", ")", ",", "/"}:
            raise _unreadable(word)
        if kind is None and word.lower() not in _NAMED:
            # A word without quotes is a property, and none is compared with another here.
            self.operands.append(Operand(self.path(word)[1]))
        return _NAMED.get(word.lower(), word)

    def take(self) -> str:
        if not self.rest:
            raise _unreadable("")
        return self.rest.pop(0)

    def skip(self, token: str) -> bool:
        if self.rest and self.rest[0].lower() == token:
            del self.rest[0]
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.skip(token):
            raise _unreadable(self.rest[0] if self.rest else "")


def _within(item: Any) -> Get:
    """Property access in one element of a collection; the empty path is the element itself."""
    return lambda path: item if path == "" else reach(item, path)


def reach(value: Any, path: str) -> Any:
    """What lies at a path such as ``web/homePageUrl`` below a value."""
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _same(value: Any, wanted: Any) -> bool:
    """Texts are compared without case, as the directory does."""
    if isinstance(value, str) and isinstance(wanted, str):
        return value.casefold() == wanted.casefold()
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(wanted, str):
        return str(value) == wanted
    return bool(value == wanted)
