"""The names in the paths of policies: which patterns no document and no lease can have for a name. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from shared.core.names import ROLE_NAME, ULID

_NAME, _ULID = re.compile(ROLE_NAME), re.compile(ULID)
_LENGTH = 26
"""Characters of a ULID."""
_ANY = "0"
"""What a star stands for where it may stand for anything: this may stand anywhere in a name, and in a ULID."""


def may_be_name(pattern: str) -> bool:
    """Returns whether some role, auth role or policy may have a name of the pattern."""
    return _NAME.fullmatch(pattern.replace("*", _ANY)) is not None


def may_be_lease(pattern: str) -> bool:
    """Returns whether some lease may have an id of the pattern. Its dot stands there, or a star stands for it and more."""
    return any(
        may_be_name(pattern[:place] or (_ANY if each == "*" else ""))
        and _may_be_ulid(f"*{pattern[place + 1 :]}" if each == "*" else pattern[place + 1 :], least=0 if each == "*" else 1)
        for place, each in enumerate(pattern)
        if each in ".*"
    )


def _may_be_ulid(pattern: str, *, least: int) -> bool:
    """``least``: the characters for which the first star stands at least."""
    others = pattern.replace("*", "", 1).replace("*", _ANY)
    if "*" not in pattern:
        return _ULID.fullmatch(others) is not None
    taken = _LENGTH - len(others)
    return taken >= least and _ULID.fullmatch(pattern.replace("*", _ANY * taken, 1).replace("*", _ANY)) is not None


_NAMES: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "{id}": ("lease: its id is the name of a role, a dot and 26 characters", may_be_lease),
    "{role}": ("role: its name is 1 to 63 characters of a-z, 0-9 and '-'", may_be_name),
    "{name}": ("document: its name is 1 to 63 characters of a-z, 0-9 and '-'", may_be_name),
}


def impossible_name(pattern: str, path: str) -> str:
    """Returns what is wrong with the names in a pattern of a call's path, such as ``roles/{role}``. Empty if nothing is."""
    for given, expected in zip(pattern.split("/"), path.split("/"), strict=True):
        named, may_be = _NAMES.get(expected, ("", lambda _: True))
        if not may_be(given):
            return f"{given} can be no {named}"
    return ""
