"""Checks the media type of a body: it must be JSON in UTF-8, neither compressed nor in another encoding."""

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
"""Names of UTF-8 and of its part ASCII: those at https://www.iana.org/assignments/character-sets, and others in use."""
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def require_json(request: func.HttpRequest) -> None:
    """Raises ``UnsupportedMedia`` if the body is compressed, or if its headers do not say that it is JSON in UTF-8."""
    codings = request.headers.get("content-encoding", "").lower().split(",")
    if any(each.strip() not in {"", "identity"} for each in codings):
        raise UnsupportedMedia("The body is compressed; send it as it is.", compressed=True)
    message = _JSON.fullmatch(request.headers.get("content-type", "").strip())
    if message is None or not all(_is_utf8(name, value) for name, value in _PARAMETERS.findall(message[1])):
        raise UnsupportedMedia


def _is_utf8(parameter: str, value: str) -> bool:
    """Returns whether a parameter of ``Content-Type`` agrees with UTF-8. Any but ``charset`` does."""
    # Some clients send single quotes, which no standard knows.
    return parameter.lower() != "charset" or value.strip("\"'").lower() in _CHARSETS


def text_of(octets: bytes) -> str:
    """Returns the text of a body, without a byte order mark.

    Raises ``UnsupportedMedia`` if it is UTF-16 or UTF-32, ``UnicodeError`` if it is no text at all.
    """
    if json.detect_encoding(octets).startswith(("utf-16", "utf-32")) and octets not in _MARKS:
        raise UnsupportedMedia
    return octets.decode("utf-8-sig")
