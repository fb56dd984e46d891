"""How texts about callers are compared: without regard to case, for A to Z alone.

No other letter is folded, and nothing is normalised, trimmed or decoded: a dotless i, a Kelvin sign or a sharp s matches only
itself.
"""

from __future__ import annotations

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    """Returns the text with A to Z in lower case, and every other character as it is."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
