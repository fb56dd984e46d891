"""Reading what is stored, leniently: a value of the wrong shape counts as one that is not there. Nothing here raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.core.names import ObjectId, Unparsable
from shared.core.role import Ready


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def texts(value: Any) -> list[str] | None:
    """A list of texts."""
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


def text(value: Any) -> str | None:
    """A text."""
    return value if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """A whole number above zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def parsed[T](parse: Callable[[str], T], value: Any) -> T | None:
    """A text that ``parse`` takes."""
    try:
        return parse(value) if isinstance(value, str) else None
    except Unparsable:
        return None


def identity(value: Any) -> ObjectId | None:
    """A GUID."""
    return parsed(ObjectId.parse, value)


def ready(document: Mapping[str, Any]) -> Ready:
    """How a credential is tried out before it is handed out."""
    return "token" if document.get("ready") == "token" else "none"
