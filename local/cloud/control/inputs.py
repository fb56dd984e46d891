"""What the control API is sent, checked field by field: every function raises ``InputError`` with a plain sentence."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Any

from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json


def body_of(call: HttpRequest, needed: set[str], allowed: set[str]) -> Json:
    """The body with exactly these fields; raises ``InputError`` naming what is missing or unknown."""
    body = call.json()
    if missing := needed - body.keys():
        raise InputError(f"missing: {', '.join(sorted(missing))}")
    if unknown := body.keys() - needed - allowed:
        raise InputError(f"unknown: {', '.join(sorted(unknown))}")
    return body


def list_of(call: HttpRequest) -> list[Any]:
    """The body as a list."""
    value = call.value()
    if not isinstance(value, list):
        raise InputError("the body is not a JSON list")
    return value


def text(body: Mapping[str, Any], field: str) -> str:
    """A text that is not empty."""
    value = body[field]
    if not isinstance(value, str) or not value:
        raise InputError(f"{field} must be a text")
    return value


def name(body: Mapping[str, Any], field: str) -> str:
    """A text that can be a segment of a path."""
    value = text(body, field)
    if "/" in value:
        raise InputError(f"{field} must not contain a slash")
    return value


def optional(body: Mapping[str, Any], field: str) -> str | None:
    """A text, or ``None``."""
    return None if body.get(field) is None else text(body, field)


def texts(body: Mapping[str, Any], field: str) -> list[str]:
    """A list of texts; empty when absent."""
    value = body.get(field) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{field} must be a list of texts")
    return value


def mapping(body: Mapping[str, Any], field: str) -> Json:
    """An object; empty when absent."""
    value = body.get(field) or {}
    if not isinstance(value, dict):
        raise InputError(f"{field} must be an object")
    return value


def choice(body: Mapping[str, Any], field: str, choices: tuple[str, ...], default: str | None = None) -> str:
    """One of these."""
    value = body.get(field, default)
    if value not in choices:
        raise InputError(f"{field} must be one of {', '.join(choices)}")
    return str(value)


def version(value: Any) -> int:
    """A token's version."""
    if value not in (1, 2) or isinstance(value, bool):
        raise InputError("version must be 1 or 2")
    return int(value)


def is_number(value: Any, *, whole: bool = False) -> bool:
    """Whether this is a finite number, and no boolean."""
    kinds = int if whole else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def guid(body: Json, field: str) -> str:
    """A text field that is a GUID with dashes, in lower case."""
    value = text(body, field).lower()
    try:
        if str(uuid.UUID(value)) == value:
            return value
    except ValueError:
        pass
    raise InputError(f"{field} must be a GUID")


def flag(body: Mapping[str, Any], field: str) -> bool:
    """A boolean; false when absent."""
    value = body.get(field, False)
    if not isinstance(value, bool):
        raise InputError(f"{field} must be true or false")
    return value
