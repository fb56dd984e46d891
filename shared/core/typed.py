"""Checks that what was read from storage has the types that its class declares.

JSON may be whole and say something else than what was written: a number where a text was, an instant without a zone. A class
takes any value, and the error would come later, where nobody expects it. So a reader checks what it has made before it returns
it: then the row is ``Unreadable``, as if it were cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeAliasType, Union, get_args, get_origin, get_type_hints

type _Check = Callable[[Any], bool]


def typed[T](value: T) -> T:
    """Returns the value, of a dataclass. Raises ``TypeError`` if a field is not of its declared type, or an instant has no
    zone. The fields of fields are checked as well, if those are dataclasses.
    """
    kind: Any = type(value)
    for name, check in _checks(kind):
        if not check(getattr(value, name)):
            raise TypeError(f"{type(value).__name__}.{name} is of a wrong type")
    return value


def named[T: str](kind: Callable[[str], T], value: object) -> T:
    """Returns the text as a name of that kind. Raises ``TypeError`` if it is no text, and what ``kind`` raises."""
    if not isinstance(value, str):
        raise TypeError("expected text")
    return kind(value)


def instant(value: object) -> datetime:
    """Returns the instant that was written with ``isoformat``. Raises ``TypeError`` or ``ValueError``, also without a zone."""
    if not isinstance(value, str):
        raise TypeError("expected an instant")
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("expected an instant with a zone")
    return found


def whole(value: object) -> int:
    """Returns the whole number. Raises ``TypeError`` for anything else: ``True`` is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("expected a whole number")
    return value


@cache
def _checks(kind: Any) -> tuple[tuple[str, _Check], ...]:
    hints = get_type_hints(kind)
    return tuple((each.name, _check(hints[each.name])) for each in fields(kind))


def _check(hint: Any) -> _Check:
    """Returns what says whether a value is of that type."""
    hint = hint.__value__ if isinstance(hint, TypeAliasType) else hint
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return _check_of_either(arguments)
    if isinstance(origin, type) and issubclass(origin, Collection):
        return _check_of_many(origin, arguments)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if hint is Any or not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return _is_sound
    if is_dataclass(hint):
        return lambda value: isinstance(value, hint) and _is_sound(value)
    return lambda value: isinstance(value, hint)


_SCALARS: dict[type, _Check] = {
    datetime: lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def _check_of_either(arguments: tuple[Any, ...]) -> _Check:
    either = [_check(each) for each in arguments if each is not NoneType]
    or_none = NoneType in arguments
    if or_none and len(either) == 1:
        only = either[0]
        return lambda value: value is None or only(value)
    return lambda value: or_none if value is None else any(check(value) for check in either)


def _check_of_many(origin: Any, arguments: tuple[Any, ...]) -> _Check:
    if issubclass(origin, Mapping):
        of_key, of_value = map(_check, arguments)
        return lambda value: isinstance(value, origin) and all(of_key(key) and of_value(each) for key, each in value.items())
    of_each = _check(arguments[0])
    # A text is a sequence of texts, and never what is meant.
    return lambda value: isinstance(value, origin) and not isinstance(value, str) and all(of_each(each) for each in value)


def _is_sound(value: Any) -> bool:
    if is_dataclass(value) and not isinstance(value, type):
        typed(value)
    return True
