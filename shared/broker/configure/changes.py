"""What a change to a document changes: for the audit trail, and for the difference that an import shows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LARGEST = 4096
"""Octets of JSON that an audit event has room for."""
_ROOM_FOR_COUNT = 64
_LARGE = 1024
"""Octets of a list's change. A smaller one is told as a whole."""

type Document = Mapping[str, Any]


def changes_between(before: Document | None, after: Document | None) -> tuple[Document, ...]:
    """Returns the fields that differ, each as ``{"path", "from", "to"}``. ``None`` stands for a document that is not there.

    Of a list of objects, and of any other list that is large, the items that differ are told: ``rules[3].path``. The place is
    that in the former list for an item that has gone, and that in the new one for any other. A value that has no room is left
    out: then the change is ``{"path", "left_out"}``. If the paths have no room either, the last one is the number of the
    others.
    """
    found = [*_differing("", before or {}, after or {})]
    room = LARGEST - _ROOM_FOR_COUNT
    shown: list[Document] = []
    for change in found:
        shorter = {"path": change["path"], "left_out": True}
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
    if one == other:
        return
    whole = {"path": path, "from": one, "to": other}
    lists = [each for each in (one, other) if isinstance(each, list | tuple)]
    are_large = {type(one), type(other)} <= {list, tuple, type(None)} and _size(whole) > _LARGE
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        yield from _differing(path, one, other)
    elif are_large or (len(lists) == len((one, other)) and all(map(_are_objects, lists))):
        yield from _of_items(path, one or (), other or ())
    else:
        yield whole


def _of_items(path: str, one: Sequence[Any], other: Sequence[Any]) -> Iterator[Document]:
    """Compares two lists. What stands in both in the same order is no change, although its place may be another one."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - a cold worker is to start soon, and few requests change a list

    matcher = SequenceMatcher(None, [_text(each) for each in one], [_text(each) for each in other], autojunk=False)
    for change, begin, end, other_begin, other_end in matcher.get_opcodes():
        if change == "equal":
            continue
        replaced = min(end - begin, other_end - other_begin)
        for place in range(replaced):
            yield from _of_value(f"{path}[{other_begin + place}]", one[begin + place], other[other_begin + place])
        for place in range(begin + replaced, end):
            yield {"path": f"{path}[{place}]", "from": one[place], "to": None}
        for place in range(other_begin + replaced, other_end):
            yield {"path": f"{path}[{place}]", "from": None, "to": other[place]}


def _are_objects(items: Sequence[Any]) -> bool:
    return all(isinstance(each, Mapping) for each in items)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _size(change: Document) -> int:
    """Returns the octets of a change in a list, with what separates it from the next."""
    return len(json.dumps(change)) + 2
