"""The parameters of a rule: which values an ask must have so that the rule speaks of it.

A value is exact or a pattern, in which ``*`` stands for one or more characters. An allow compares a value as its kind does:
exactly, or without regard to case for A to Z. A deny always compares without regard to case, for every letter, so that no
spelling of a value gets past it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import is_normalized, normalize

from shared.core.access.folding import fold
from shared.core.access.stars import covers_text, texts_overlap
from shared.core.errors import Fault
from shared.core.parsing import Reader, text_item

PARAMETER_NAME = "[a-z][a-z0-9_]{0,31}"
MAX_PARAMETERS = 8
MAX_PARAMETER_VALUES = 64
LONGEST_PARAMETER_VALUE = 260
"""Characters of a value: the longest name of a resource."""
_NAME = re.compile(PARAMETER_NAME)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parameter of a rule: its name, and the values and patterns of which an ask must have one."""

    name: str
    values: tuple[str, ...]

    def has(self, text: str, *, folds: bool) -> bool:
        """Returns whether the text is one of the values. ``folds``: without regard to case, for A to Z."""
        if folds:
            return any(covers_text(fold(each), fold(text)) for each in self.values)
        return any(covers_text(each, text) for each in self.values)

    def is_like(self, text: str) -> bool:
        """Returns whether the text is one of the values, without regard to the case of any letter."""
        folded = _casefolded(text)
        return any(covers_text(_casefolded(each), folded) for each in self.values)

    def covers(self, other: Wanted) -> bool:
        """Returns whether every value of the other is one of these. Both must be about the same parameter."""
        values = frozenset(self.values)
        return all(each in values or any(covers_text(mine, each) for mine in self.values) for each in other.values)

    def overlaps(self, other: Wanted) -> bool:
        """Returns whether some text is a value of both, without regard to case. Both must be about the same parameter."""
        others = [*map(_casefolded, other.values)]
        return any(texts_overlap(mine, each) for mine in map(_casefolded, self.values) for each in others)


def at_most(mine: Iterable[Wanted], others: Iterable[Wanted]) -> bool:
    """Returns whether each ask of which the others speak is one of which mine speak: the others are the same or narrower."""
    theirs = {each.name: each for each in others}
    return all(each.name in theirs and each.covers(theirs[each.name]) for each in mine)


def have_common(one: Iterable[Wanted], other: Iterable[Wanted]) -> bool:
    """Returns whether there may be an ask of which both speak."""
    theirs = {each.name: each for each in other}
    return all(each.name not in theirs or each.overlaps(theirs[each.name]) for each in one)


def read_wanted(reader: Reader, field: str) -> tuple[Wanted, ...]:
    """Reads the parameters of a rule. They are returned by name, for their order means nothing. Notes each fault."""
    value = reader.take(field)
    if not reader.has(field):
        return ()
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_PARAMETERS:
        reader.fault(field, f"expected an object of 1 to {MAX_PARAMETERS} lists; leave the field out to name none")
        return ()
    return tuple(_read(value, reader.at(field), reader.faults))


def _read(document: Mapping[str, Any], path: str, faults: list[Fault]) -> Iterator[Wanted]:
    reader = Reader(document, path, faults)
    for name in sorted(document):
        if is_parameter_name(name, reader.at(name), faults):
            found = reader.items(name, _pattern, most=MAX_PARAMETER_VALUES)
            yield Wanted(name, tuple(dict.fromkeys(found)))


def write_wanted(wanted: Iterable[Wanted]) -> dict[str, Any]:
    """Returns the field of the document."""
    return {each.name: list(each.values) for each in wanted}


def is_parameter_name(name: str, path: str, faults: list[Fault]) -> bool:
    """Returns whether it is the name of a parameter. If not, notes the fault."""
    if _NAME.fullmatch(name) is not None:
        return True
    faults.append(Fault(path, "the name of a parameter is 1 to 32 characters of a-z, 0-9 and _, and begins with a letter"))
    return False


def value_item(value: Any, path: str, faults: list[Fault]) -> str | None:
    """Reads a value of a parameter."""
    text = text_item(value, path, faults, longest=LONGEST_PARAMETER_VALUE)
    if text is not None and not is_normalized("NFC", text):
        faults.append(Fault(path, "expected a text in Unicode's form NFC: no ask has another"))
        return None
    return text


def _pattern(value: Any, path: str, faults: list[Fault]) -> str | None:
    text = value_item(value, path, faults)
    if text is not None and not text.strip("*"):
        faults.append(Fault(path, "* stands for any characters: at least one other character must stand beside it"))
        return None
    return text


def _casefolded(text: str) -> str:
    return normalize("NFC", normalize("NFC", text).casefold())


@dataclass(frozen=True, slots=True)
class FailedParameter:
    """A parameter that keeps a rule from an ask: the values that the rule wants, and the one that the ask has, if any."""

    name: str
    wanted: tuple[str, ...]
    has: str | None = None

    def __str__(self) -> str:
        more = f" and {len(self.wanted) - _SHOWN} more" if len(self.wanted) > _SHOWN else ""
        return f"{self.name} wants {', '.join(self.wanted[:_SHOWN])}{more}, has {self.has if self.has is not None else 'none'}"


_SHOWN = 3
"""Values of each list that are shown in a sentence."""
