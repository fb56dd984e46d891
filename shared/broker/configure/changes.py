"""What a change to a document changes: for the audit trail, and for the difference that an import shows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LARGEST = 4096
"""Octets of JSON that an audit event has room for."""
_ROOM_FOR_COUNT = 64

type Document = Mapping[str, Any]


def changes_between(before: Document | None, after: Document | None) -> tuple[Document, ...]:
    """Returns the fields that differ, each as ``{"path", "from", "to"}``. ``None`` stands for a document that is not there.

    A value that has no room is left out, and its path stays. If the paths have no room either, the last one is the number of
    the others.
    """
    found = [*_differing("", before or {}, after or {})]
    room = LARGEST - _ROOM_FOR_COUNT
    shown: list[Document] = []
    for change in found:
        shorter = {"path": change["path"]}
        fitting = next((each for each in (change, shorter) if _size(each) <= room), None)
        if fitting is None:
            shown.append({"path": f"and {len(found) - len(shown)} more"})
            break
        room -= _size(fitting)
        shown.append(fitting)
    return tuple(shown)


def fields_between(before: Document | None, after: Document | None) -> tuple[str, ...]:
    """Returns the names of the fields that differ, in the order of the alphabet."""
    one, other = before or {}, after or {}
    return tuple(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


def _differing(path: str, before: Document, after: Document) -> Iterator[Document]:
    for name in dict.fromkeys((*before, *after)):
        yield from _of_value(f"{path}.{name}" if path else name, before.get(name), after.get(name))


def _of_value(path: str, one: Any, other: Any) -> Iterator[Document]:
    """Lists of objects are compared item by item, and lists of texts as a whole."""
    if one == other:
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        yield from _differing(path, one, other)
    elif _are_objects(one) and _are_objects(other):
        for place in range(max(len(one), len(other))):
            yield from _of_value(f"{path}[{place}]", _at(one, place), _at(other, place))
    else:
        yield {"path": path, "from": one, "to": other}


def _are_objects(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value)


def _at(items: Sequence[Any], place: int) -> Any:
    return items[place] if place < len(items) else None


def _size(change: Document) -> int:
    """Returns the octets of a change in a list, with what separates it from the next."""
    return len(json.dumps(change)) + 2
