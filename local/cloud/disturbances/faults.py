"""Faults on demand: what a test asks the cloud to do wrong, and how often."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.cloud.engine.effects import MOST_WAIT, Answer, Delay, Effect, Silence
from local.cloud.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SILENCES: Mapping[str, Silence] = {
    "drop_after_effect": "drop_after_effect",
    "timeout": "timeout",
    "timeout_after_effect": "timeout_after_effect",
}
_FIELDS = {"service", "method", "path", "times", "effect", "probability", "skip", "seconds"}


@dataclass(slots=True)
class Fault:
    """One rule. ``None`` matches anything; ``path`` is searched in the call's path; ``skip`` calls pass first."""

    effect: Effect
    service: str | None = None
    method: str | None = None
    path: re.Pattern[str] | None = None
    times: int | None = 1
    """How often it still strikes; ``None`` for always."""
    probability: float = 1.0
    skip: int = 0

    def matches(self, service: str, method: str, path: str) -> bool:
        """Whether the call is one that this rule is about, and the rule is not used up."""
        return (
            self.times != 0
            and self.service in (None, service)
            and self.method in (None, method)
            and (self.path is None or self.path.search(path) is not None)
        )

    def as_json(self) -> dict[str, Any]:
        """The rule as it was given, with what is left of it."""
        return {
            "service": self.service,
            "method": self.method,
            "path": self.path.pattern if self.path else None,
            "times": self.times,
            "probability": self.probability,
            "skip": self.skip,
            "effect": _effect_as_json(self.effect),
        }


@dataclass(slots=True)
class Faults:
    """The rules in force, tried in order."""

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    _rules: list[Fault] = field(default_factory=list)

    def replace(self, rules: list[Any]) -> None:
        """Puts these rules, as JSON, in the place of all others; raises ``InputError`` naming what is wrong."""
        self._rules = [parse(rule) for rule in rules]

    def add(self, rules: list[Any]) -> None:
        """Appends these rules, as JSON; raises ``InputError`` naming what is wrong."""
        self._rules = self.left() + [parse(rule) for rule in rules]

    def left(self) -> list[Fault]:
        """The rules that may still strike."""
        return [rule for rule in self._rules if rule.times != 0]

    def strike(self, service: str, method: str, path: str) -> Effect | None:
        """The effect that this call meets, if any; using it counts."""
        for rule in self._rules:
            if rule.matches(service, method, path) and self._falls_on(rule):
                return rule.effect
        return None

    def _falls_on(self, rule: Fault) -> bool:
        if rule.skip > 0:
            rule.skip -= 1
            return False
        if rule.probability < 1.0 and self.chance.random() >= rule.probability:
            return False
        if rule.times is not None:
            rule.times -= 1
        return True


def parse(rule: Any) -> Fault:
    """A rule from its JSON; raises ``InputError`` naming what is wrong."""
    if not isinstance(rule, dict):
        raise InputError("a fault is a JSON object")
    if unknown := rule.keys() - _FIELDS:
        raise InputError(f"unknown fields of a fault: {', '.join(sorted(unknown))}")
    return Fault(
        effect=_effect(rule.get("effect"), rule),
        service=_text(rule, "service"),
        method=(_text(rule, "method") or "").upper() or None,
        path=_pattern(_text(rule, "path")),
        times=_count(rule, "times", 1, nullable=True),
        probability=_probability(rule.get("probability", 1.0)),
        skip=_count(rule, "skip", 0) or 0,
    )


def _effect(value: Any, rule: Mapping[str, Any]) -> Effect:
    if isinstance(value, str) and value in _SILENCES:
        return _SILENCES[value]
    if value == "delay":
        return Delay(_seconds(rule.get("seconds")))
    if isinstance(value, dict) and value.keys() == {"delay"}:
        return Delay(_seconds(value["delay"]))
    if isinstance(value, dict) and "status" in value and not value.keys() - {"status", "code", "retry_after", "aadsts"}:
        return _answer(value, rule)
    raise InputError(
        f'effect must be {{"status", "code", "retry_after", "aadsts"}}, {{"delay": seconds}} or one of {", ".join(_SILENCES)}'
    )


def _answer(value: Mapping[str, Any], rule: Mapping[str, Any]) -> Answer:
    number = _number(value, rule)
    usual = "Fault" if number is None else "invalid_client"
    status, code, retry_after = value["status"], value.get("code", usual), value.get("retry_after")
    if not isinstance(status, int) or not 200 <= status <= 599:  # noqa: PLR2004 - the range of final HTTP statuses
        raise InputError("effect.status must be an HTTP status from 200 to 599")
    if not isinstance(code, str) or not (retry_after is None or isinstance(retry_after, int | float)):
        raise InputError("effect.code must be a text and effect.retry_after a number of seconds")
    return Answer(status, code, retry_after, number)


def _number(value: Mapping[str, Any], rule: Mapping[str, Any]) -> int | None:
    number = value.get("aadsts")
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        raise InputError("effect.aadsts must be the number of an AADSTS code")
    if rule.get("service") != "entra":
        raise InputError('effect.aadsts is for faults with "service": "entra"')
    return number


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_WAIT:
        raise InputError(f"a delay is a number of seconds up to {MOST_WAIT:g}")
    return float(value)


def _text(rule: Mapping[str, Any], name: str) -> str | None:
    value = rule.get(name)
    if value in (None, "", "*"):
        return None
    if not isinstance(value, str):
        raise InputError(f"{name} must be a text")
    return value


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as fault:
        raise InputError(f"path is not a regular expression: {fault}") from fault


def _count(rule: Mapping[str, Any], name: str, default: int, *, nullable: bool = False) -> int | None:
    value = rule.get(name, default)
    if value is None and nullable:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{name} must be a whole number, 0 or more")
    return value


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError("probability must be a number from 0 to 1")
    return float(value)


def _effect_as_json(effect: Effect) -> Any:
    if isinstance(effect, Answer):
        numbered = {} if effect.aadsts is None else {"aadsts": effect.aadsts}
        return {"status": effect.status, "code": effect.code, "retry_after": effect.retry_after, **numbered}
    return {"delay": effect.seconds} if isinstance(effect, Delay) else effect
