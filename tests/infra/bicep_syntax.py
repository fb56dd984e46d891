"""Reads the part of the Bicep language that ``infra/`` is written in, so that tests can evaluate it without Azure's compiler.

https://learn.microsoft.com/azure/azure-resource-manager/bicep/file. Whatever is outside that part is a ``BicepError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

type Names = Mapping[str, Any]
type Expression = Callable[[Names], Any]


class BicepError(Exception):
    """The text is not what this reader knows as Bicep."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One statement. ``type`` is a resource's type and version, a module's path, or a parameter's type as written."""

    kind: str
    name: str
    type: str
    decorators: tuple[str, ...]
    value: Expression | None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    begins_line: bool


_TOKEN = re.compile(
    r"(?P<blank>[ \t\r]+|//[^\n]*)|(?P<newline>\n)|(?P<string>')|(?P<number>\d+)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<symbol>\?\?|\[\?|&&|\|\||==|!=|>=|<=|[-{}\[\]():,.?!=<>@])"
)
_STRING_PART = re.compile(r"\\(?P<escape>['\\nrt$])|(?P<hole>\$\{)|(?P<end>')|(?P<plain>[^'\\$\n]+|\$)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
}


def read(text: str) -> list[Declaration]:
    """The statements of a file, in order. Raises ``BicepError``."""
    return _Parser(text).declarations()


class _Parser:
    """Recursive descent. ``_token`` is the one ahead, ``_at`` the place behind it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._token_end = 0
        self._string_begin = 0
        self._token = self._next()

    def declarations(self) -> list[Declaration]:
        found = []
        while self._token.kind != "end":
            decorators = []
            while self._took("@"):
                decorators.append(self._decorator())
            found.append(self._declaration(tuple(decorators)))
        return found

    def _decorator(self) -> str:
        name = self._word()
        self._expect("(")
        self._list(")", self._expression)
        return name

    def _declaration(self, decorators: tuple[str, ...]) -> Declaration:
        match self._word():
            case "targetScope" | "using" as kind:
                self._took("=")
                return Declaration(kind, kind, "", decorators, self._expression())
            case "param" | "output" as kind:
                name = self._word()
                type_text = "" if self._token.text == "=" else self._type()
                return Declaration(kind, name, type_text, decorators, self._expression() if self._took("=") else None)
            case "type" | "var" as kind:
                name = self._word()
                self._expect("=")
                return Declaration(kind, name, "", decorators, None if kind == "type" and self._type() else self._expression())
            case "resource" | "module" as kind:
                return self._deployed(kind, decorators)
            case other:
                raise BicepError(f"not a statement: {other}")

    def _deployed(self, kind: str, decorators: tuple[str, ...]) -> Declaration:
        name, described = self._word(), self._primary()({})
        existing = self._took("existing")
        self._expect("=")
        condition: Expression = lambda _: True  # noqa: E731 - what stands there when nothing is written
        if self._took("if"):
            condition = self._primary()
        body = self._expression()
        value: Expression = lambda names: body(names) if condition(names) else None  # noqa: E731
        return Declaration("existing" if existing else kind, name, str(described), decorators, value)

    def _type(self) -> str:
        if not self._took("{"):
            text = self._word()
            while self._token.text in {"[", "?"} and not self._token.begins_line:
                text += self._advance().text
                if text.endswith("["):
                    self._expect("]")
            return text
        while not self._took("}"):
            while self._took("@"):
                self._decorator()
            self._word()
            self._expect(":")
            self._type()
        return "object"

    def _expression(self) -> Expression:
        condition = self._coalesced()
        if self._token.begins_line or not self._took("?"):
            return condition
        yes = self._expression()
        self._expect(":")
        no = self._expression()
        return lambda names: yes(names) if condition(names) else no(names)

    def _coalesced(self) -> Expression:
        left = self._compared()
        if not self._took("??"):
            return left
        right = self._coalesced()
        return lambda names: found if (found := left(names)) is not None else right(names)

    def _compared(self) -> Expression:
        left = self._unary()
        if self._token.text not in _COMPARISONS or self._token.kind != "symbol":
            return left
        compare, right = _COMPARISONS[self._advance().text], self._unary()
        return lambda names: compare(left(names), right(names))

    def _unary(self) -> Expression:
        if self._took("!"):
            term = self._unary()
            return lambda names: not term(names)
        return self._postfixed(self._primary())

    def _postfixed(self, value: Expression) -> Expression:
        while not self._token.begins_line:
            if self._took("."):
                value = _member(value, self._word())
            elif self._took("[?"):
                value = _indexed(value, self._expression(), safe=True)
                self._expect("]")
            elif self._took("["):
                value = _indexed(value, self._expression(), safe=False)
                self._expect("]")
            else:
                break
        return value

    def _primary(self) -> Expression:
        token = self._advance()
        match token.kind:
            case "string":
                return self._string()
            case "number":
                return lambda _: int(token.text)
            case "word":
                return self._named(token.text)
        return self._enclosed(token.text)

    def _named(self, name: str) -> Expression:
        if name in {"true", "false"}:
            return lambda _: name == "true"
        return self._called(name) if self._took("(") else lambda names: _known(names, name)

    def _enclosed(self, opening: str) -> Expression:
        match opening:
            case "(":
                inner = self._expression()
                self._expect(")")
                return inner
            case "[":
                return self._loop() if self._took("for") else self._array()
            case "{":
                return self._object()
        raise BicepError(f"an expression is missing before {opening!r}")

    def _called(self, name: str) -> Expression:
        arguments = self._list(")", self._expression)
        return lambda names: _known(names, f"{name}()")(*(each(names) for each in arguments))

    def _array(self) -> Expression:
        items = self._list("]", self._expression)
        return lambda names: [each(names) for each in items]

    def _loop(self) -> Expression:
        bound = self._list(")", self._word) if self._took("(") else [self._word()]
        self._expect("in")
        source = self._expression()
        self._expect(":")
        body = self._expression()
        self._expect("]")

        def run(names: Names) -> list[Any]:
            return [body({**names, **dict(zip(bound, (item, at), strict=False))}) for at, item in enumerate(source(names))]

        return run

    def _object(self) -> Expression:
        entries = self._list("}", self._entry)
        return lambda names: {key(names): value(names) for key, value in entries}

    def _entry(self) -> tuple[Expression, Expression]:
        token = self._advance()
        key: Expression = self._string() if token.kind == "string" else lambda _: token.text
        if token.kind not in {"string", "word"}:
            raise BicepError(f"not a key: {token.text!r}")
        self._expect(":")
        return key, self._expression()

    def _list[T](self, end: str, item: Callable[[], T]) -> list[T]:
        """Items up to the end, separated by commas or by line ends."""
        found: list[T] = []
        while not self._took(end):
            if found and not self._took(",") and not self._token.begins_line:
                raise BicepError(f"a comma is missing before {self._token.text!r}")
            found.append(item())
        return found

    def _string(self) -> Expression:
        """What stands behind the opening quote, which has just been taken: ``_token`` is the text's first token."""
        self._at = self._string_begin
        parts: list[Expression] = []
        while True:
            part = _STRING_PART.match(self._text, self._at)
            if part is None:
                raise BicepError(f"a string does not end: {self._text[self._at : self._at + 30]!r}")
            self._at = part.end()
            if part["end"]:
                self._token = self._next()
                return lambda names: "".join(str(each(names)) for each in parts)
            parts.append(self._hole() if part["hole"] else _constant(part))

    def _hole(self) -> Expression:
        self._token = self._next()
        inner = self._expression()
        if self._token.text != "}":
            raise BicepError("an interpolation does not end")
        self._at = self._token_end
        return inner

    def _next(self) -> _Token:
        begins_line = False
        while match := _TOKEN.match(self._text, self._at):
            self._at = match.end()
            begins_line = begins_line or match.lastgroup == "newline"
            if match.lastgroup not in {"blank", "newline"}:
                self._token_end = match.end()
                return _Token(str(match.lastgroup), match[0], begins_line)
        if self._at < len(self._text):
            raise BicepError(f"unexpected text: {self._text[self._at : self._at + 30]!r}")
        return _Token("end", "", begins_line=True)

    def _advance(self) -> _Token:
        taken = self._token
        if taken.kind == "string":
            # Its inside is no sequence of tokens: `_string` reads it from here.
            self._string_begin = self._token_end
            return taken
        self._token = self._next()
        return taken

    def _took(self, text: str) -> bool:
        if self._token.kind in {"symbol", "word"} and self._token.text == text:
            self._advance()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._took(text):
            raise BicepError(f"{text!r} is missing before {self._token.text!r}")

    def _word(self) -> str:
        if self._token.kind != "word":
            raise BicepError(f"a name is missing before {self._token.text!r}")
        return self._advance().text


def _constant(part: re.Match[str]) -> Expression:
    text = part["plain"] or _ESCAPES.get(part["escape"], part["escape"])
    return lambda _: text


def _known(names: Names, name: str) -> Any:
    if name not in names:
        raise BicepError(f"nothing is named {name}")
    return names[name]


def _member(value: Expression, name: str) -> Expression:
    def look(names: Names) -> Any:
        found = value(names)
        if name not in found:
            raise BicepError(f"no {name} in {found!r:.200}")
        return found[name]

    return look


def _indexed(value: Expression, index: Expression, *, safe: bool) -> Expression:
    def look(names: Names) -> Any:
        found, at = value(names), index(names)
        return found.get(at) if safe else found[at]

    return look
