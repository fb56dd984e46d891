"""Blobs read, written and deleted, and what a container says of itself.

Rights: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory (permissions for
blob service operations)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from local.cloud.blob import errors
from local.cloud.blob.instants import etag, http_date
from local.cloud.engine.http import Reply
from local.cloud.tenant.resources import Blob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.blob.requests import BlobRequest

_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "x-ms-if-tags")


def container_properties(request: BlobRequest) -> Reply:
    """A container's headers."""
    request.require("read")
    return Reply(200, None, {**_stamped(request.container.modified), "x-ms-lease-state": "available"})


def get(request: BlobRequest) -> Reply:
    """A blob, or a range of it (206). To a HEAD the server sends the headers alone."""
    _check_conditions(request)
    request.require_data("read")
    found = request.container.blobs.get(request.target.blob or "")
    if found is None:
        raise errors.blob_not_found()
    headers = {
        "content-type": found.content_type,
        "accept-ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(found.modified),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
        **_stamped(found.modified),
    }
    asked = _range(request.call.headers) if request.call.method == "GET" else None
    if asked is None:
        return Reply(200, found.content, headers)
    first, last = asked[0], min(asked[1], len(found.content) - 1)
    if first > last:
        raise errors.invalid_range()
    headers["content-range"] = f"bytes {first}-{last}/{len(found.content)}"
    return Reply(206, found.content[first : last + 1], headers)


def put(request: BlobRequest) -> Reply:
    """A block blob, new or in place of the one that is there."""
    headers, name = request.call.headers, request.target.blob or ""
    must_be_new = headers.get("if-none-match") == "*"
    _check_conditions(request, but="if-none-match" if must_be_new else "")
    if "x-ms-blob-type" not in headers:
        raise errors.missing_header("x-ms-blob-type")
    if headers["x-ms-blob-type"] != "BlockBlob":
        raise errors.not_implemented(f"blobs of type {headers['x-ms-blob-type']}")
    known = request.account.containers.get(request.target.container or "")
    is_new = known is None or name not in known.blobs
    request.require_data("write", *(("add/action",) if is_new else ()))
    blobs = request.container.blobs
    if must_be_new and not is_new:
        raise errors.blob_exists()
    kind = headers.get("x-ms-blob-content-type") or headers.get("content-type") or "application/octet-stream"
    blobs[name] = Blob(request.call.body, kind, request.world.clock.now())
    return Reply(201, None, {**_stamped(blobs[name].modified), "x-ms-request-server-encrypted": "true"})


def delete(request: BlobRequest) -> Reply:
    """202, and the blob is gone."""
    _check_conditions(request)
    request.require_data("delete")
    if request.container.blobs.pop(request.target.blob or "", None) is None:
        raise errors.blob_not_found()
    return Reply(202, None, {"x-ms-delete-type-permanent": "true"})


def _stamped(modified: float) -> Mapping[str, str]:
    return {"last-modified": http_date(modified), "etag": f'"{etag(modified)}"'}


def _check_conditions(request: BlobRequest, but: str = "") -> None:
    asked = [name for name in _CONDITIONS if name in request.call.headers and name != but]
    if asked:
        raise errors.not_implemented(f"the header {asked[0]} here")


def _range(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """First and last octet; none without a range, or with one in a form that Azure does not read."""
    match = _RANGE.match(headers.get("x-ms-range") or headers.get("range") or "")
    if match is None:
        return None
    first = int(match[1])
    return first, int(match[2]) if match[2] else 2**63
