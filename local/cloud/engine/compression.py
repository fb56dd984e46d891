"""Bodies that a client has compressed: which services read them, and what the others make of them.

Graph's SDK for Go compresses every body and sends it again as it was only after 415
(https://github.com/microsoftgraph/msgraph-sdk-design/blob/main/middleware/CompressionHandler.md), and Graph reads it. Entra ID
does not look at ``Content-Encoding`` at all: it finds no ``grant_type`` in the octets (AADSTS900144, reported in
https://github.com/deploymenttheory/terraform-provider-microsoft365/pull/2519). What Azure Resource Manager does is not
documented; the local one answers 415, as HTTP has it for a coding that is not taken (RFC 9110, 15.5.16).
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from local.cloud.engine.errors import InputError

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest

MOST = 16 * 1024 * 1024
"""Octets that a body may have once it is unpacked: more than any service here takes."""
_GZIP = {"gzip", "x-gzip"}
_WITH_GZIP_HEADER = zlib.MAX_WBITS | 16


class UnknownCodingError(InputError):
    """The body is in a coding that nobody here reads."""


def coding(call: HttpRequest) -> str:
    """What the body is compressed with, in lower case: ``gzip``, or several with commas; empty when it is sent as it is."""
    words = (word.strip().lower() for word in call.headers.get("content-encoding", "").split(","))
    return ", ".join(word for word in words if word not in ("", "identity")) if call.body else ""


def unpacked(call: HttpRequest) -> HttpRequest:
    """The call with its body as it was before gzip. Raises ``UnknownCodingError``, and ``InputError`` for broken octets."""
    name = coding(call)
    if not name:
        return call
    if name not in _GZIP:
        raise UnknownCodingError(name)
    return replace(call, body=_inflated(call.body), headers={**call.headers, "content-encoding": "identity"})


def _inflated(octets: bytes) -> bytes:
    reader = zlib.decompressobj(_WITH_GZIP_HEADER)
    try:
        body = reader.decompress(octets, MOST)
    except zlib.error as fault:
        raise InputError("the body is not what gzip makes") from fault
    if not reader.eof:
        raise InputError("the body ends too early, or is too long")
    return body
