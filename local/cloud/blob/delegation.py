"""User delegation keys: https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from local.cloud.blob import errors
from local.cloud.blob.shared_access import instant, key_value
from local.cloud.engine.http import Reply

if TYPE_CHECKING:
    from local.cloud.blob.requests import BlobRequest

_WEEK = 7 * 86_400.0
_GENERATE = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"


def user_delegation_key(request: BlobRequest) -> Reply:
    """A key for the caller, which lasts for seven days at most."""
    request.require_in_account(_GENERATE)
    text, now = request.call.body.decode(errors="replace"), request.world.clock.now()
    start, expiry = _element(text, "Start") or _iso(now), _element(text, "Expiry")
    begins, ends = instant(start), instant(expiry)
    if begins is None or ends is None or ends <= begins:
        raise errors.invalid_xml()
    if not now < ends <= now + _WEEK or not now - _WEEK <= begins <= now + _WEEK:
        raise errors.invalid_xml()
    version = request.call.headers["x-ms-version"]
    fields = [request.caller, request.world.tenant_id, _iso(begins), _iso(ends), "b", version]
    names = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion", "Value")
    values = (*fields, key_value(request.world, request.target.account, fields))
    elements = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in zip(names, values, strict=True))
    document = f'\ufeff<?xml version="1.0" encoding="utf-8"?><UserDelegationKey>{elements}</UserDelegationKey>'
    return Reply(200, document.encode(), {"content-type": "application/xml"})


def _element(text: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _iso(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
