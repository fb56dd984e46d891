"""Reads a token's parts before they are verified, and accepts only one spelling of each token.

Decoders are lenient. With padding, foreign characters and spare bits, one signed token could be written as several texts, each
with a fingerprint of its own. And if a name appears twice, different parsers read different values.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 16 * 1024

type Claims = Mapping[str, Any]


class UnreadableToken(ValueError):
    """The text is no JSON Web Token in compact form (RFC 7519), or not the one spelling of it."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """The content of a token whose signature has not been checked."""

    header: Claims
    claims: Claims


def read(token: str) -> UnverifiedToken:
    """Reads a token. Raises ``UnreadableToken``."""
    parts = token.split(".") if len(token) <= LONGEST else []
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature: RFC 7515, 7.1
        raise UnreadableToken
    header, claims, _ = (_octets(part) for part in parts)
    return UnverifiedToken(_object(header), _object(claims))


def _octets(part: str) -> bytes:
    """Decodes a part, if it is the only text for its octets (RFC 4648, 3.5; RFC 7515, 2: no padding)."""
    try:
        octets = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as wrong:
        raise UnreadableToken from wrong
    if urlsafe_b64encode(octets).rstrip(b"=").decode() != part:
        raise UnreadableToken
    return octets


def _object(octets: bytes) -> Claims:
    try:
        found = json.loads(octets.decode(), object_pairs_hook=_without_repeats)
        # Half a surrogate pair is valid JSON and no valid text.
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as wrong:
        raise UnreadableToken from wrong
    if not isinstance(found, dict):
        raise UnreadableToken
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnreadableToken
    return found
