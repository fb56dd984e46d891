"""What a body is said to be, and what it is: JSON in UTF-8, neither compressed nor in another encoding."""

from __future__ import annotations

import codecs
import json
import re

import azure.functions as func

from shared.triggers.http.problem import UnsupportedMedia

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"  # noqa: S105 - a token of RFC 9110, 5.6.2
# Possessive, so that no header however long is tried twice over.
_PARAMETER = rf'\s*+;\s*+(?:({_TOKEN})\s*+(?:=\s*+({_TOKEN}|"(?:[^"\\]|\\.)*+")?)?)?'
_JSON = re.compile(rf"application/(?:[a-z0-9.!#$&^_-]+\+)?json((?:{_PARAMETER})*+)\s*+", re.IGNORECASE)
_PARAMETERS = re.compile(_PARAMETER)
_CHARSETS = frozenset((
    *("utf-8", "utf8", "csutf8", "us-ascii", "ascii", "us", "iso646-us", "iso_646.irv:1991", "iso-ir-6"),
    *("ansi_x3.4-1968", "ansi_x3.4-1986", "ibm367", "cp367", "csascii"),
))  # fmt: skip
"""UTF-8 and its part, ASCII, by their names at https://www.iana.org/assignments/character-sets and by others in use."""
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def require_json(request: func.HttpRequest) -> None:
    """Raises ``UnsupportedMedia`` for a body that is compressed, or that is not said to be JSON in UTF-8."""
    codings = request.headers.get("content-encoding", "").lower().split(",")
    if any(each.strip() not in {"", "identity"} for each in codings):
        raise UnsupportedMedia("The body is compressed; send it as it is.", compressed=True)
    said = _JSON.fullmatch(request.headers.get("content-type", "").strip())
    if said is None or not all(_is_utf8(name, value) for name, value in _PARAMETERS.findall(said[1])):
        raise UnsupportedMedia


def _is_utf8(parameter: str, value: str) -> bool:
    """Whether a parameter of ``Content-Type`` agrees with UTF-8; every one but ``charset`` does."""
    # Quotes of either kind: clients send the single ones, which no standard knows, as well.
    return parameter.lower() != "charset" or value.strip("\"'").lower() in _CHARSETS


def text_of(octets: bytes) -> str:
    """The text of a body, without a byte order mark.

    Raises ``UnsupportedMedia`` for UTF-16 and UTF-32, ``UnicodeError`` for what is no text at all.
    """
    if json.detect_encoding(octets).startswith(("utf-16", "utf-32")) and octets not in _MARKS:
        raise UnsupportedMedia
    return octets.decode("utf-8-sig")
