"""Patterns of single names, as ``allowed`` and a policy's ``parameters`` have them.

``*`` stands for one or more characters, and at least one other character stands beside it. A pattern never reaches into another
segment: no kind of parameter has a value with a slash.
"""

from __future__ import annotations

STAR = "*"


def is_pattern(text: str) -> bool:
    """Returns whether the text stands for more than itself."""
    return STAR in text


def only_stars(text: str) -> bool:
    """Returns whether nothing stands beside the stars: such a pattern would bound nothing."""
    return bool(text) and not text.strip(STAR)


def covers(pattern: str, value: str) -> bool:
    """Returns whether the value is one of the pattern's. Both must be folded alike. Takes time in proportion to both."""
    first, *others = pattern.split(STAR)
    if not others:
        return pattern == value
    if not value.startswith(first):
        return False
    at = len(first)
    *between, last = others
    for piece in between:
        found = value.find(piece, at + 1)
        if found < 0:
            return False
        at = found + len(piece)
    return len(value) - len(last) > at and value.endswith(last)
