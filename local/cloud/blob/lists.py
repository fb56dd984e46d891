"""Lists of containers and of blobs, in XML and in pages.

Shapes: https://learn.microsoft.com/rest/api/storageservices/list-containers2 and .../list-blobs
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from local.cloud.blob import errors
from local.cloud.blob.instants import etag, http_date
from local.cloud.blob.requests import query
from local.cloud.engine.http import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.cloud.blob.requests import BlobRequest
    from local.cloud.tenant.resources import Blob, Container

_MOST = 5000
_NO_LEASE = {"LeaseStatus": "unlocked", "LeaseState": "available"}
_CONTAINER = {
    **_NO_LEASE,
    "DefaultEncryptionScope": "$account-encryption-key",
    "DenyEncryptionScopeOverride": "false",
    "HasImmutabilityPolicy": "false",
    "HasLegalHold": "false",
}


def containers(request: BlobRequest) -> Reply:
    """The containers of an account."""
    request.require("read")
    prefix = query(request.call, "prefix")
    items = [
        (name, _element("Container", name, _of_container(found)))
        for name, found in sorted(request.account.containers.items())
        if name.startswith(prefix)
    ]
    return _page(request, "", "Containers", items)


def blobs(request: BlobRequest) -> Reply:
    """The blobs of a container; with ``delimiter``, names that go on after it are shown together."""
    prefix, delimiter = query(request.call, "prefix"), query(request.call, "delimiter")
    request.require_data("read", listing=prefix)
    items: dict[str, str] = {}
    for name, found in sorted(request.container.blobs.items()):
        if not name.startswith(prefix):
            continue
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            items[name] = _element("Blob", name, _of_blob(found))
        else:
            together = name[: end + len(delimiter)]
            items[together] = f"<BlobPrefix>{_text('Name', together)}</BlobPrefix>"
    return _page(request, f" ContainerName={quoteattr(request.target.container or '')}", "Blobs", sorted(items.items()))


def _page(request: BlobRequest, within: str, kind: str, items: Iterable[tuple[str, str]]) -> Reply:
    """The items from the marker on, as many as were asked for. A marker is the name that the next page begins with."""
    asked = {name: query(request.call, name) for name in ("prefix", "marker", "maxresults", "delimiter")}
    size = _size(asked["maxresults"])
    left = [(name, item) for name, item in items if name >= asked["marker"]]
    titles = {"prefix": "Prefix", "marker": "Marker", "maxresults": "MaxResults", "delimiter": "Delimiter"}
    echoed = "".join(_text(titles[name], value) for name, value in asked.items() if value)
    further = _text("NextMarker", left[size][0]) if len(left) > size else "<NextMarker />"
    text = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?>'
        f"<EnumerationResults ServiceEndpoint={quoteattr(request.target.endpoint)}{within}>"
        f"{echoed}<{kind}>{''.join(item for _, item in left[:size])}</{kind}>{further}</EnumerationResults>"
    )
    return Reply(200, text.encode(), {"content-type": "application/xml"})


def _size(text: str) -> int:
    if not text:
        return _MOST
    if not text.isdecimal() or int(text) == 0:
        raise errors.out_of_range("maxresults", text)
    return min(int(text), _MOST)


def _of_container(found: Container) -> Mapping[str, str]:
    return {"Last-Modified": http_date(found.modified), "Etag": f'"{etag(found.modified)}"', **_CONTAINER}


def _of_blob(found: Blob) -> Mapping[str, str]:
    at = http_date(found.modified)
    return {
        "Creation-Time": at,
        "Last-Modified": at,
        "Etag": etag(found.modified),
        "Content-Length": str(len(found.content)),
        "Content-Type": found.content_type,
        **dict.fromkeys(("Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control", "Content-Disposition"), ""),
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "AccessTierInferred": "true",
        **_NO_LEASE,
        "ServerEncrypted": "true",
    }


def _element(kind: str, name: str, properties: Mapping[str, str]) -> str:
    shown = "".join(_text(key, value) for key, value in properties.items())
    return f"<{kind}>{_text('Name', name)}<Properties>{shown}</Properties></{kind}>"


def _text(name: str, value: str) -> str:
    return f"<{name}>{escape(value)}</{name}>" if value else f"<{name} />"
