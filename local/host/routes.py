"""HTTP routes: ASP.NET Core's route templates, as ``@app.route`` takes them, matched by precedence.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates. A segment is a literal or one parameter;
segments that mix both, and ``regex`` constraints, are refused when the host starts.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

_PARAMETER = re.compile(r"\{(?P<stars>\*{0,2})(?P<name>\w+)(?P<rules>(?::[^:=?}]+)*)(?:=(?P<default>[^?}]*))?(?P<opt>\??)\}")
_RULE = re.compile(r"(?P<name>\w+)(?:\((?P<arguments>[^)]*)\))?")
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
RESERVED = ("admin", "runtime")
"""First segments that belong to the host: the real one refuses functions' routes there, too."""

type Check = Callable[[str], bool]


class RouteError(ValueError):
    """The template is not one that this host can serve; the message says which part."""


def _integer(text: str, bits: int) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+", text, re.ASCII)) and -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1)


def _guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _length(low: int, high: int | None = None) -> Check:
    return lambda text: low <= len(text) <= (low if high is None else high)


def _between(low: float, high: float) -> Check:
    return lambda text: _integer(text, 64) and low <= int(text) <= high


_RULES: dict[str, Callable[..., Check]] = {
    "int": lambda: lambda text: _integer(text, 32),
    "long": lambda: lambda text: _integer(text, 64),
    "bool": lambda: lambda text: text.lower() in {"true", "false"},
    "guid": lambda: _guid,
    "alpha": lambda: lambda text: bool(re.fullmatch("[a-z]*", text, re.IGNORECASE)),
    "required": lambda: bool,
    "length": _length,
    "minlength": lambda low: lambda text: len(text) >= low,
    "maxlength": lambda high: lambda text: len(text) <= high,
    "min": lambda low: _between(low, float("inf")),
    "max": lambda high: _between(float("-inf"), high),
    "range": _between,
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a template: a literal, or a parameter."""

    literal: str = ""
    name: str = ""
    checks: tuple[Check, ...] = ()
    optional: bool = False
    default: str | None = None
    rest: bool = False

    @property
    def rank(self) -> int:
        """Lower is more particular: literal, constrained, free, the rest."""
        if not self.name:
            return 1
        if self.rest:
            return 4 if self.checks else 5
        return 2 if self.checks else 3

    def accepts(self, text: str) -> bool:
        """Whether this part of a path fits."""
        if not self.name:
            return text.lower() == self.literal.lower()
        return all(check(text) for check in self.checks) and (bool(text) or self.rest)


@dataclass(frozen=True, slots=True)
class Route[T]:
    """A template and what it leads to. No methods means any."""

    template: str
    segments: tuple[Segment, ...]
    methods: frozenset[str]
    target: T

    @property
    def precedence(self) -> tuple[int, ...]:
        """What routes are sorted by."""
        return tuple(segment.rank for segment in self.segments)

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """The route's values, for a path that fits."""
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            given = "/".join(parts[index:]) if segment.rest else parts[index] if index < len(parts) else None
            if not given and segment.name and (segment.optional or segment.default is not None or segment.rest):
                values |= {segment.name: segment.default} if segment.default is not None else {}
            elif given is None or not segment.accepts(given):
                return None
            elif segment.name:
                values[segment.name] = given
        ends_open = bool(self.segments) and self.segments[-1].rest
        return values if ends_open or len(parts) <= len(self.segments) else None


class Router[T]:
    """All routes of an app."""

    def __init__(self, routes: Iterable[Route[T]]) -> None:
        self._routes = sorted(routes, key=lambda route: route.precedence)

    def find(self, method: str, raw_path: str) -> tuple[T, dict[str, str]] | None:
        """What serves this request, with the route's values.

        A known path under another method is not found, either: the real host answers 404, never 405
        (https://github.com/Azure/azure-functions-host/issues/10098).
        """
        parts = split(raw_path)
        for route in self._routes:
            if route.methods and method not in route.methods:
                continue
            values = route.match(parts)
            if values is not None:
                return route.target, values
        return None


def compile_route[T](prefix: str, template: str, methods: Iterable[str], target: T) -> Route[T]:
    """Reads a template under the app's prefix. Raises ``RouteError``."""
    whole = "/".join(part.strip("/") for part in (prefix, template) if part.strip("/"))
    segments = tuple(_segment(part) for part in whole.split("/") if part)
    if segments and segments[0].literal.lower() in RESERVED:
        raise RouteError(f"{whole!r} begins with a segment that belongs to the host")
    if any(segment.rest for segment in segments[:-1]):
        raise RouteError(f"{whole!r}: only the last segment can be the rest of the path")
    return Route(whole, segments, frozenset(method.upper() for method in methods), target)


def split(raw_path: str) -> list[str]:
    """A request's path in parts, decoded as the real host's server does: ``%2F`` stays as it is."""
    parts = [_decode(part) for part in raw_path.removeprefix("/").split("/")]
    return parts[:-1] if parts and not parts[-1] else parts


def _decode(part: str) -> str:
    return unquote(_ENCODED_SLASH.sub("%252F", part))


def _segment(text: str) -> Segment:
    if "{" not in text and "}" not in text:
        return Segment(literal=text)
    match = _PARAMETER.fullmatch(text)
    if not match:
        raise RouteError(f"segment {text!r} is neither a literal nor one parameter")
    checks = tuple(_check(rule) for rule in match["rules"].split(":") if rule)
    return Segment(
        name=match["name"],
        checks=checks,
        optional=bool(match["opt"]),
        default=match["default"],
        rest=bool(match["stars"]),
    )


def _check(text: str) -> Check:
    match = _RULE.fullmatch(text)
    factory: Any = _RULES.get(match["name"].lower()) if match else None
    if not match or factory is None:
        raise RouteError(f"the constraint {text!r} is not offered here")
    try:
        return factory(*(int(argument) for argument in (match["arguments"] or "").split(",") if argument.strip()))  # type: ignore[no-any-return]  # each of _RULES makes a Check
    except (TypeError, ValueError):
        raise RouteError(f"the constraint {text!r} has the wrong arguments") from None
