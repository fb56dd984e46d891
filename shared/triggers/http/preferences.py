"""Reads ``Prefer`` (RFC 7240), and says in ``Preference-Applied`` what was done of it.

A preference that is not known, or cannot be read, is passed over: https://www.rfc-editor.org/rfc/rfc7240#section-2. The header
may stand several times. The Functions host joins its lines with commas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import azure.functions as func

from shared.broker.issue.preparations import DEFAULT_WAIT, LONGEST_WAIT, Preference
from shared.triggers.http.shape import Parameter

PREFER = Parameter(
    "Prefer",
    {"type": "string"},
    "RFC 7240. `wait=N`: wait so many seconds at most"
    f" (default {DEFAULT_WAIT}, at most {LONGEST_WAIT}) before a 202. `respond-async`: 202 at once; with `wait=N`, 202 after N"
    " seconds. `handling=lenient`: hand out a credential that was not seen to work, at once or after `wait=N` seconds, as"
    ' `"ready": "pending"`.',
    component="Prefer",
)
VARY = "Authorization, Prefer"
"""On which the answers depend that ``Prefer`` changes."""
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(
    rf"\s*(?P<name>{_WORD})\s*(?:=\s*(?P<value>{_WORD}|{_QUOTED})?)?(?:\s*;[^,\"]*(?:{_QUOTED}[^,\"]*)*)?\s*"
)
_PART = re.compile(rf'(?:{_QUOTED}|[^,"]|")+?(?=,|$)')
_LONGEST = 4096
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Preferred:
    """What a request prefers, as far as the broker takes it."""

    preference: Preference
    respond_async: bool = False

    def applied(self, *, accepted: bool) -> dict[str, str]:
        """Returns the header of an answer. ``accepted``: it is a 202."""
        done = []
        if self.respond_async and accepted:
            done.append("respond-async")
        if self.preference.wait:
            done.append(f"wait={self.preference.wait}")
        if self.preference.is_lenient and not accepted:
            done.append("handling=lenient")
        return {"Preference-Applied": ", ".join(done)} if done else {}


def preferred(request: func.HttpRequest) -> Preferred:
    """Returns what the request prefers. Raises nothing. If a preference stands twice, the first counts."""
    header = request.headers.get("prefer", "")
    found: dict[str, list[str]] = {}
    for part in _PART.findall(header) if len(header) <= _LONGEST else ():
        if (match := _PREFERENCE.fullmatch(part)) is not None:
            found.setdefault(match["name"].lower(), []).append(_plain(match["value"] or ""))
    is_lenient = "lenient" in (value.lower() for value in found.get("handling", ()))
    respond_async = "respond-async" in found and not is_lenient
    wait = _seconds(found.get("wait", [""])[0])
    if wait is None and respond_async:
        wait = 0
    return Preferred(Preference(wait, is_lenient), respond_async or wait == 0)


def _seconds(value: str) -> int | None:
    if not (value.isascii() and value.isdigit()):
        return None
    return LONGEST_WAIT if len(value) > _MOST_DIGITS else min(LONGEST_WAIT, int(value))


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
