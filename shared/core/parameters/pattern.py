"""Patterns of single names, as ``allowed`` and a policy's ``parameters`` have them.

``*`` stands for one or more characters, and at least one other character stands beside it. A pattern never reaches into another
segment: no kind of parameter has a value with a slash. ``covers_text`` of ``access/stars.py`` says which values it covers.
"""

from __future__ import annotations

STAR = "*"
ONLY_STARS = "a pattern has at least one other character beside *; say any: true if every value will do"


def is_pattern(text: str) -> bool:
    """Returns whether the text stands for more than itself."""
    return STAR in text


def only_stars(text: str) -> bool:
    """Returns whether nothing stands beside the stars: such a pattern would bound nothing."""
    return bool(text) and not text.strip(STAR)
