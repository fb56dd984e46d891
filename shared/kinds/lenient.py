"""Reads stored values leniently: a value of the wrong shape counts as absent. Nothing here raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.core.names import ObjectId, Unparsable
from shared.core.role import Ready


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns an object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """Returns a list, or an empty one."""
    return value if isinstance(value, list) else []


def texts(value: Any) -> list[str] | None:
    """Returns a list of texts."""
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


def text(value: Any) -> str | None:
    """Returns a text."""
    return value if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """Returns a whole number above zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def parsed[T](parse: Callable[[str], T], value: Any) -> T | None:
    """Returns what ``parse`` makes of a text."""
    try:
        return parse(value) if isinstance(value, str) else None
    except Unparsable:
        return None


def identity(value: Any) -> ObjectId | None:
    """Returns a GUID."""
    return parsed(ObjectId.parse, value)


def ready(document: Mapping[str, Any]) -> Ready:
    """Returns how a credential is proven before it is handed out."""
    match document.get("ready"):
        case "token":
            return "token"
        case "access":
            return "access"
        case _:
            return "none"
