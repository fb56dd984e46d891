"""Reads a JSON document strictly: all faults are reported at once, unknown fields are faults, and nothing is coerced."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from shared.core.errors import Fault, Malformed
from shared.core.names import Unparsable
from shared.core.plain_text import UNSEEN, is_plain, is_plain_in_lines

_DURATION = re.compile(r"(?P<count>[0-9]{1,9})(?P<unit>[smhd])")
_CLEAR = 0.7
"""How much a field must be like another one: ``bound_hosts`` is not like ``bound_locations``."""
_BEGINNING = 0.3
"""How much it counts that two words begin alike, beside how much they are alike."""
_MOST_HINTS = 100
"""A document may have thousands of unknown fields, and to look for a word like each of them takes time."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Reader:
    """Reads one JSON object. Readers of nested objects share the first reader's list of faults."""

    def __init__(self, document: Any, path: str = "", faults: list[Fault] | None = None) -> None:
        self.faults: list[Fault] = faults if faults is not None else []
        self._path = path
        self._taken: set[str] = set()
        self._document: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        if not isinstance(document, Mapping):
            self.faults.append(Fault(path, "expected an object"))

    def at(self, field: str) -> str:
        """Returns the path of a field of this object."""
        return f"{self._path}.{field}" if self._path else field

    def fault(self, field: str, message: str) -> None:
        """Notes a fault of a field. An empty name means the object itself."""
        self.faults.append(Fault(self.at(field) if field else self._path, message))

    def has(self, field: str) -> bool:
        """Returns whether the object has the field, even if it is null."""
        return field in self._document

    def take(self, field: str) -> Any:
        """Returns the field's value as it stands, or ``None`` if it is absent. The field then counts as known."""
        self._taken.add(field)
        return self._document.get(field)

    def text(self, field: str, *, required: bool = False, longest: int = 256, lines: bool = False) -> str | None:
        """Returns a text of 1 to ``longest`` visible characters. With ``lines``, it may have tabs and ends of lines."""
        value = self.take(field)
        if value is None and not self.has(field):
            if required:
                self.fault(field, "is required")
            return None
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            self.fault(field, f"expected a text of 1 to {longest} characters")
            return None
        if not (is_plain_in_lines(value) if lines else is_plain(value)):
            self.fault(field, f"expected a text without {UNSEEN}")
            return None
        return value

    def parsed[T](self, field: str, parse: Callable[[str], T], *, required: bool = False) -> T | None:
        """Returns what ``parse`` makes of a text. Its ``Unparsable`` becomes the fault."""
        text = self.text(field, required=required, longest=4096)
        if text is None:
            return None
        try:
            return parse(text)
        except Unparsable as wrong:
            self.fault(field, str(wrong))
            return None

    def flag(self, field: str, *, default: bool) -> bool:
        """Returns ``true`` or ``false``."""
        value = self.take(field)
        if not self.has(field):
            return default
        if not isinstance(value, bool):
            self.fault(field, "expected true or false")
            return default
        return value

    def whole(self, field: str, *, least: int, most: int) -> int | None:
        """Returns a whole number within bounds."""
        value = self.take(field)
        if not self.has(field):
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(field, f"expected a whole number from {least} to {most}")
            return None
        return value

    def choice(self, field: str, choices: tuple[str, ...], *, default: str) -> str:
        """Returns one of a few words."""
        value = self.take(field)
        if not self.has(field):
            return default
        if value not in choices or not isinstance(value, str):
            hint = nearest(value, choices) if isinstance(value, str) and len(self.faults) < _MOST_HINTS else ""
            self.fault(field, f"expected one of {', '.join(choices)}{hint}")
            return default
        return value

    def duration(self, field: str, *, least: int, most: int) -> int | None:
        """Returns seconds, from a whole number of seconds or a text such as ``90s``, ``15m``, ``4h``, ``1d``."""
        value = self.take(field)
        if not self.has(field):
            return None
        seconds = as_seconds(value)
        if seconds is None:
            self.fault(field, "expected seconds as a whole number, or a text such as 15m or 4h")
        elif not least <= seconds <= most:
            self.fault(field, f"expected {least} to {most} seconds")
            return None
        return seconds

    def items[T](
        self, field: str, read: Callable[[Any, str, list[Fault]], T | None], *, most: int, required: bool = False
    ) -> tuple[T, ...]:
        """Returns a list of 1 to ``most`` items. Each is read with its own path. If the field is absent, the list is empty."""
        value = self.take(field)
        if not self.has(field):
            if required:
                self.fault(field, "is required")
            return ()
        if not isinstance(value, list) or not 0 < len(value) <= most:
            otherwise = "" if required else "; leave the field out to name none"
            self.fault(field, f"expected a list of 1 to {most} items{otherwise}")
            return ()
        found = (read(item, f"{self.at(field)}[{index}]", self.faults) for index, item in enumerate(value))
        return tuple(item for item in found if item is not None)

    def done(self) -> None:
        """Notes a fault for every field that was not taken."""
        for field in self._document:
            if field not in self._taken:
                self.unknown(field)

    def unknown(self, field: str) -> None:
        """Notes that a field is not known, and which known one is meant if it is clear."""
        hint = nearest(field, sorted(self._taken), cutoff=_CLEAR) if len(self.faults) < _MOST_HINTS else ""
        self.fault(field, f"is not a known field{hint}")

    def finish(self) -> None:
        """Calls ``done``, and raises ``Malformed`` if there is a fault, with all faults."""
        self.done()
        if self.faults:
            raise Malformed(*self.faults)


def nearest(value: Any, words: Sequence[str], *, cutoff: float = 0.6) -> str:
    """Returns the end of a sentence about a word that is not known: which one may be meant. Empty if no word is like it.

    Case means nothing. Of several words that are like it, one that begins alike is meant rather than another:
    ``bound_sub_ids`` is short for ``bound_subscription_ids``, and as much like ``bound_group_ids``.
    """
    from difflib import SequenceMatcher  # noqa: PLC0415 - most documents have no fault, and a cold worker is to start soon

    text = str(value).lower()
    matcher = SequenceMatcher(b=text)
    close: list[tuple[float, str]] = []
    for word in words:
        matcher.set_seq1(word.lower())
        if min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= cutoff and (likeness := matcher.ratio()) >= cutoff:
            alike = takewhile(lambda pair: pair[0] == pair[1], zip(text, word.lower(), strict=False))
            close.append((likeness + _BEGINNING * len([*alike]) / len(text), word))
    return f"; did you mean {max(close)[1]}?" if close else ""


def as_seconds(value: Any) -> int | None:
    """Returns the seconds of a duration as the API writes it, or ``None`` if it is no duration."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return int(match["count"]) * _SECONDS[match["unit"]]
    return None


def text_item(value: Any, path: str, faults: list[Fault], *, longest: int = 256) -> str | None:
    """Reads an item of a list that is a plain text without blanks around it."""
    if not isinstance(value, str) or not value or value != value.strip() or len(value) > longest:
        faults.append(Fault(path, f"expected a text of 1 to {longest} characters without surrounding blanks"))
        return None
    if not is_plain(value):
        faults.append(Fault(path, f"expected a text without {UNSEEN}"))
        return None
    return value


def parsed_item[T](parse: Callable[[str], T]) -> Callable[[Any, str, list[Fault]], T | None]:
    """Returns a reader of list items that ``parse`` accepts."""

    def read(value: Any, path: str, faults: list[Fault]) -> T | None:
        if (text := text_item(value, path, faults)) is None:
            return None
        try:
            return parse(text)
        except Unparsable as wrong:
            faults.append(Fault(path, str(wrong)))
            return None

    return read
