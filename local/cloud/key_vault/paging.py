"""Lists in pages, with markers in the form that was recorded.

Azure walks over all rows of a vault, live and deleted ones alike, and shows those that were asked for: so a page can be empty
and there is a next one still.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from local.cloud.engine.http import Json, Reply
from local.cloud.key_vault import errors
from local.cloud.key_vault.vaults import DOMAIN

if TYPE_CHECKING:
    from local.cloud.key_vault.requests import SecretRequest

MOST = 25
"""https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets"""
_TOKEN = "$skiptoken"
QUERY = {"api-version", "maxresults", _TOKEN}
_END = "000028!9999-12-31T23:59:59.9999999Z!"


def page[T](request: SecretRequest, rows: Mapping[str, T], show: Callable[[T], Json | None], prefix: str = "") -> Reply:
    """The rows whose key is not before the marker, in order, as many as were asked for; ``show`` leaves out what it hides.

    ``prefix`` stands before each key in a marker: the secret whose versions are listed.
    """
    size, start = _size(request), _start(request, prefix)
    keys = sorted(key for key in rows if key >= start)
    shown = [body for key in keys[:size] if (body := show(rows[key])) is not None]
    following = _link(request, f"{prefix}{keys[size]}") if len(keys) > size else None
    return Reply(200, {"value": shown, "nextLink": following})


def _size(request: SecretRequest) -> int:
    wanted = request.call.query.get("maxresults", str(MOST))
    if not (wanted.isascii() and wanted.isdecimal() and 1 <= int(wanted) <= MOST):
        raise errors.bad_parameter(f"maxresults must be a number from 1 to {MOST}")
    return int(wanted)


def _start(request: SecretRequest, prefix: str) -> str:
    """The first key of this page. A marker of another kind of row points to the secret that it is a row of."""
    token = request.call.query.get(_TOKEN)
    if token is None:
        return ""
    marked = read_token(token)
    return marked.removeprefix(prefix) if prefix else marked.partition("/")[0]


def _link(request: SecretRequest, key: str) -> str:
    """The address of the next page, by the host that was called. Azure names the port, and the page's size at the end."""
    call, query = request.call, request.call.query
    named = call.host.endswith(DOMAIN)
    origin = f"{call.origin}:443" if named and call.origin.count(":") == 1 else call.origin
    size = f"&maxresults={query['maxresults']}" if "maxresults" in query else ""
    return f"{origin}/{call.path.strip('/')}?api-version={request.api_version}&{_TOKEN}={write_token(key)}{size}"


def write_token(key: str) -> str:
    """A marker for this row: the name in upper case, or that and a version."""
    row = f"secret/{key}"
    marked = base64.b64encode(f"{len(row):06}!{row}!{_END}".encode()).decode().replace("=", "-")
    stated = json.dumps({"NextMarker": f"2!{len(marked)}!{marked}", "TargetLocation": 0}, separators=(",", ":"))
    return base64.urlsafe_b64encode(stated.encode()).decode().rstrip("=")


def read_token(token: str) -> str:
    """The row that a marker points to; raises 400."""
    try:
        stated: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        marked = str(stated["NextMarker"]).split("!", 2)[2].replace("-", "=")
        row = base64.b64decode(marked).decode().split("!")[1]
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error) as fault:
        raise errors.bad_parameter(f"{_TOKEN} is not one that was given out") from fault
    return row.removeprefix("secret/")
