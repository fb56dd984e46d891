"""Patterns of one text: ``*`` stands for one or more characters.

The segments of a policy's paths are such patterns, and so are the values of its parameters.
"""

from __future__ import annotations

_ANY = "\0"
"""Takes the place of a star that is compared with a pattern. No pattern has this character."""


def covers_text(mine: str, others: str) -> bool:
    """Returns whether every text of the other pattern is one of mine. Both may have stars, each for one or more characters.

    A star of the other pattern can stand for any characters, so only a star of mine covers it. The time is proportional to the
    length, however many stars there are: after a star, the first place of the next part is as good as any later one.
    """
    if "*" not in mine:
        return mine == others
    begin, *middle, end = mine.split("*")
    text = others.replace("*", _ANY)
    if not text.startswith(begin):
        return False
    place = len(begin)
    for part in middle:
        place = text.find(part, place + 1)
        if place < 0:
            return False
        place += len(part)
    return place < len(text) - len(end) and text.endswith(end)


def texts_overlap(one: str, other: str) -> bool:
    """Returns whether some text is one of both patterns.

    If both patterns have stars, only their beginnings and their ends can exclude each other. Between these, a text may have the
    middle parts of one pattern and then those of the other: a star of each pattern takes what the other one wants.
    """
    if "*" not in other:
        return covers_text(one, other)
    if "*" not in one:
        return covers_text(other, one)
    begins, ends = (one.partition("*")[0], other.partition("*")[0]), (one.rpartition("*")[2], other.rpartition("*")[2])
    return _starts_with_shorter(*begins) and _starts_with_shorter(*(each[::-1] for each in ends))


def _starts_with_shorter(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
