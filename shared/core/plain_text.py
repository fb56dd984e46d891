"""Texts that callers send and people read later: all of their characters must be visible."""

from __future__ import annotations

import re

UNSEEN = "control, bidirectional or invisible characters"

# Control characters (C0, DEL, C1), line and paragraph separators, what changes the direction of text, and what shows nothing:
# https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt (Default_Ignorable_Code_Point).
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff]"
)
_LINES = re.compile(r"[\t\n\r]")


def is_plain(text: str) -> bool:
    """Returns whether every character is visible. Blanks count as visible."""
    return _UNSEEN.search(text) is None


def is_plain_in_lines(text: str) -> bool:
    """Returns whether every character is visible, in a text that may have several lines and tabs."""
    return is_plain(_LINES.sub(" ", text))
