"""The expressions of Logic Apps and of Data Factory, as far as the samples have them: one language with two sets of functions.

A text that begins with ``@`` is an expression as a whole; ``@{...}`` inside a text is put in as text; ``@@`` is an ``@``.
https://learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

type Functions = Mapping[str, Callable[..., Any]]
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|(\?\[|\?\.|[()\[\],.]))")
_INTERPOLATED = re.compile(r"@\{((?:[^{}']|'(?:[^']|'')*')*)\}")
_LITERALS = {"null": None, "true": True, "false": False}
COMMON: Functions = {
    "concat": lambda *parts: "".join(map(_text, parts)),
    "equals": lambda one, other: one == other,
    "not": lambda value: not value,
    "json": json.loads,
    "encodeURIComponent": lambda text: urllib.parse.quote(text, safe="!'()*-._~"),
}


class ExpressionError(Exception):
    """The service would refuse the expression, or this part of it is not understood here."""


def evaluate(value: Any, functions: Functions) -> Any:
    """The value with every expression in it replaced by what it comes to. Raises ``ExpressionError``."""
    if isinstance(value, dict):
        if value.get("type") == "Expression" and value.keys() == {"type", "value"}:
            return evaluate(value["value"], functions)
        return {name: evaluate(inner, functions) for name, inner in value.items()}
    if isinstance(value, list):
        return [evaluate(inner, functions) for inner in value]
    return _of_text(value, functions) if isinstance(value, str) else value


def _of_text(text: str, functions: Functions) -> Any:
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@") and not text.startswith("@{"):
        return _Reader(text[1:], functions).whole()
    return _INTERPOLATED.sub(lambda found: _text(_Reader(found[1], functions).whole()), text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(slots=True)
class _Reader:
    text: str
    functions: Functions
    at: int = 0

    def whole(self) -> Any:
        value = self._value()
        if self.text[self.at :].strip():
            raise ExpressionError(f"{self.text[self.at :]!r} is too much in {self.text!r}")
        return value

    def _next(self, *wanted: str) -> str | None:
        """The next sign, taken if it is one of these."""
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[4] not in wanted:
            return None
        self.at = found.end()
        return str(found[4])

    def _must(self, sign: str) -> None:
        if self._next(sign) is None:
            raise ExpressionError(f"{sign!r} is missing in {self.text!r} at {self.at}")

    def _value(self) -> Any:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[4] is not None:
            raise ExpressionError(f"no value in {self.text!r} at {self.at}")
        self.at = found.end()
        if found[1] is not None:
            return found[1].replace("''", "'")
        if found[2] is not None:
            return int(found[2])
        return self._inner(self._called(found[3]))

    def _called(self, name: str) -> Any:
        if name in _LITERALS:
            return _LITERALS[name]
        if name not in self.functions:
            raise ExpressionError(f"there is no function {name}")
        self._must("(")
        arguments: list[Any] = []
        while self._next(")") is None:
            if arguments:
                self._must(",")
            arguments.append(self._value())
        return self.functions[name](*arguments)

    def _inner(self, value: Any) -> Any:
        """What is selected of a value: ``['a']``, ``[0]``, ``.a``. After ``?`` nothing is selected of nothing."""
        while (sign := self._next("[", "?[", ".", "?.")) is not None:
            if sign.endswith("["):
                key = self._value()
                self._must("]")
            else:
                key = self._name()
            value = _selected(value, key, optional=sign.startswith("?"))
        return value

    def _name(self) -> str:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[3] is None:
            raise ExpressionError(f"no name in {self.text!r} at {self.at}")
        self.at = found.end()
        return str(found[3])


def _selected(value: Any, key: Any, *, optional: bool) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError) as fault:
        if optional:
            return None
        raise ExpressionError(f"there is no {key!r}") from fault
